import type { IncomingHttpHeaders } from 'node:http';
import { ID_PATTERN } from '../../shared/model/ids.js';
import { SERVICES, type ServiceName } from '../../shared/model/urls.js';

/** Bound to the one host that set it: `__Host-` cookies have neither a domain nor another path. */
export const COOKIE = '__Host-berth';
/** The query parameter of access links. */
export const LINK_PARAMETER = 'berth_token';

/** One URL of a workspace. */
export interface Place {
  workspaceId: string;
  service: ServiceName;
}

/** What the gateway asks about one request, of whoever, for a workspace. */
export interface Question extends Place {
  method: string;
  /** Path and query. */
  uri: string;
  /** `https://` with host and port. */
  origin: string;
  /** The token of our cookie. */
  session: string | null;
  bearer: string | null;
  /** The cookies of others, to be passed on; null: there are none. */
  otherCookies: string | null;
  /** A header of somebody else's, to be passed on. */
  authorization: string | null;
  /** Somebody opens a page, in a window of its own and without a key: he can be led to another one. */
  wantsPage: boolean;
  /** A page of another origin asks; browsers say so, and send cookies all the same. */
  fromElsewhere: boolean;
}

/**
 * Reads the headers of a forward-auth request.
 *
 * @returns null when it is for no workspace's URL
 */
export function questionOf(headers: IncomingHttpHeaders, domain: string): Question | null {
  const text = (name: string) => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  const host = text('x-forwarded-host').toLowerCase();
  const origin = `https://${host}`;
  const place = placeOf(host.replace(/:\d+$/, ''), domain);
  if (place === null || !URL.canParse(origin)) return null;
  const method = text('x-forwarded-method') || 'GET';
  const { session, others } = cookiesOf(text('cookie'));
  const authorization = headers.authorization ?? null;
  const mode = text('sec-fetch-mode');
  const isSocket = headers['sec-websocket-version'] !== undefined;
  const opensPage = mode === '' ? /\btext\/html\b/.test(text('accept')) : mode === 'navigate';
  const bearer = /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1] ?? null;
  return {
    ...{ ...place, method, origin, session, authorization, otherCookies: others },
    uri: text('x-forwarded-uri') || '/',
    bearer,
    // A wrong key has to be answered as one (401): those who guess are told from others by that.
    wantsPage: method === 'GET' && opensPage && !isSocket && !isInFrame(headers) && bearer === null,
    fromElsewhere: isFromElsewhere(headers, origin, mode),
  };
}

/** The workspace and service that a host name stands for. */
export function placeOf(host: string, domain: string): Place | null {
  if (!host.endsWith(`.${domain}`)) return null;
  const label = host.slice(0, -domain.length - 1);
  const service = SERVICES.find((name) => label.endsWith(`-${name}`));
  if (service === undefined) return null;
  const workspaceId = label.slice(0, -service.length - 1);
  return ID_PATTERN.test(workspaceId) ? { workspaceId, service } : null;
}

/**
 * All workspaces are one site to a browser, so that a cookie's SameSite keeps none from another: the page
 * in one workspace could use the IDE in another one in the name of whoever looks at it, or show it in a frame
 * of its own. To be led there by a link is fine.
 */
function isFromElsewhere(headers: IncomingHttpHeaders, origin: string, mode: string): boolean {
  if (headers.origin !== undefined && headers.origin.toLowerCase() !== origin) return true;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return mode !== 'navigate' || isInFrame(headers);
}

/** For navigations: what is opened is part of another page. */
function isInFrame({ 'sec-fetch-dest': destination }: IncomingHttpHeaders): boolean {
  return destination !== undefined && destination !== 'document';
}

function cookiesOf(header: string): { session: string | null; others: string | null } {
  const cookies = header.split(';').map((cookie) => cookie.trim());
  const isOurs = (cookie: string) => cookie.startsWith(`${COOKIE}=`);
  const session = cookies.find(isOurs)?.slice(COOKIE.length + 1) ?? null;
  const others = cookies.filter((cookie) => cookie !== '' && !isOurs(cookie)).join('; ');
  return { session, others: others === '' ? null : others };
}
