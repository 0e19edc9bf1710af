import { signAccess, verifyAccess, type AccessKind, type VerifiedAccess } from '../../shared/access-token.js';
import type { Clock } from '../../shared/clock.js';
import { durationMs } from '../../shared/model/duration.js';
import type { AgentKeySource } from '../auth/agent-key.js';
import { parseApiKey } from '../auth/api-key.js';
import type { KeyRing } from '../auth/key-ring.js';
import { Problem } from '../problem.js';
import type { ApiSettings } from '../settings.js';
import type { PremisesReader } from './premises.js';
import { COOKIE, LINK_PARAMETER, type Place, type Question } from './question.js';
import { holds, mayOpen, type Premises } from './visitor.js';

/** What the gateway is to do with a request. */
export type Verdict =
  /** Let it pass, with these headers; `setCookie` is for the answer. */
  | { kind: 'pass'; cookie: string | null; authorization: string | null; setCookie: string | null }
  | { kind: 'lead'; location: string; setCookie: string | null }
  | { kind: 'refuse'; code: 'BERTH_UNAUTHENTICATED' | 'BERTH_FORBIDDEN'; detail: string };

export interface GatekeeperOptions {
  premises: PremisesReader;
  keys: Pick<KeyRing, 'verify' | 'owner'>;
  agentKey: AgentKeySource;
  clock: Clock;
  settings: Pick<ApiSettings, 'BERTH_ACCESS_SESSION' | 'BERTH_DOMAIN' | 'BERTH_HTTPS_PORT'>;
}

/** Somebody may come in; perhaps a new cookie is due. */
interface Entrance {
  setCookie: string | null;
}

/** Decides who gets to the URLs of workspaces. */
export class Gatekeeper {
  constructor(private readonly options: GatekeeperOptions) {}

  async judge(question: Question): Promise<Verdict> {
    const premises = await this.options.premises.of(question.workspaceId);
    if (premises !== null && question.service === 'web' && premises.isWebPublic)
      return this.enter(question, null);
    // Who follows a link, from the form too, opens a page, whatever origin his browser names.
    const mayBeLink = question.wantsPage || !question.fromElsewhere;
    const linked = mayBeLink && premises?.isOpen === true ? await this.byLink(question, premises) : null;
    if (linked !== null) return linked;
    if (question.fromElsewhere) {
      const detail = 'A page of another origin asks; browsers must come from the page itself.';
      return { kind: 'refuse', code: 'BERTH_FORBIDDEN', detail };
    }
    const entrance = await this.entranceOf(question, premises);
    if (entrance !== null) return this.enter(question, entrance.setCookie);
    // Whether there is such a workspace is nobody's business.
    if (question.wantsPage) return { kind: 'lead', location: this.loginFor(question), setCookie: null };
    const detail =
      'This URL needs an access link, a session, or an API key: Authorization: Bearer <id>_<secret>.';
    return { kind: 'refuse', code: 'BERTH_UNAUTHENTICATED', detail };
  }

  /** A link that was not needed, used again or for a public app: the workspace is not to read it. */
  private enter(question: Question, setCookie: string | null): Promise<Verdict> | Verdict {
    const url = urlOf(question);
    if (!question.wantsPage || !url.searchParams.has(LINK_PARAMETER)) return this.pass(question, setCookie);
    url.searchParams.delete(LINK_PARAMETER);
    return { kind: 'lead', location: url.href, setCookie };
  }

  /** The workspace never sees what opens it, nor any other key of this Berth. */
  private async pass(question: Question, setCookie: string | null): Promise<Verdict> {
    const { otherCookies: cookie, authorization, bearer } = question;
    const isOurs = bearer !== null && (await this.isOurs(bearer));
    return { kind: 'pass', cookie, authorization: isOurs ? null : authorization, setCookie };
  }

  private async isOurs(bearer: string): Promise<boolean> {
    const key = parseApiKey(bearer);
    if (key !== null) return (await this.options.keys.owner(key.id)) !== null;
    const kinds = await Promise.all(
      (['link', 'session', 'probe'] as const).map((kind) => this.verify(kind, bearer)),
    );
    return kinds.some((token) => token !== null);
  }

  /** A link turns into a session, and goes from the address bar. */
  private async byLink(question: Question, premises: Premises): Promise<Verdict | null> {
    const url = urlOf(question);
    const token = url.searchParams.get(LINK_PARAMETER);
    if (token === null || question.method !== 'GET') return null;
    const link = await this.verify('link', token);
    if (link === null || !(await this.opens(link, question, premises))) return null;
    url.searchParams.delete(LINK_PARAMETER);
    const setCookie = await this.sessionAfter(link, question, premises);
    return { kind: 'lead', location: url.href, setCookie };
  }

  private async entranceOf(question: Question, premises: Premises | null): Promise<Entrance | null> {
    const { session, bearer } = question;
    if (bearer !== null && (await this.verify('probe', bearer))?.workspaceId === question.workspaceId)
      return OPEN;
    if (premises?.isOpen !== true) return null;
    if (session !== null) {
      const token = await this.verify('session', session);
      if (token !== null && (await this.opens(token, question, premises))) {
        const isOld = this.now() - token.signedAt > token.expiresAt - this.now();
        return { setCookie: isOld ? await this.sessionAfter(token, question, premises) : null };
      }
    }
    if (bearer === null) return null;
    if (parseApiKey(bearer) === null) {
      const link = await this.verify('link', bearer);
      return link !== null && (await this.opens(link, question, premises)) ? OPEN : null;
    }
    // An expired key is as good as none.
    const owner = await this.options.keys.verify(bearer).catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'BERTH_UNAUTHENTICATED') return null;
      throw error;
    });
    return owner !== null && mayOpen(owner, premises) ? OPEN : null;
  }

  /** The key on whose behalf it was made has to be in force, and to be good for the workspace, still. */
  private async opens(token: VerifiedAccess, place: Place, premises: Premises): Promise<boolean> {
    if (!holds(token, place, premises)) return false;
    const owner = await this.options.keys.owner(token.keyId);
    return owner !== null && mayOpen(owner, premises);
  }

  private async sessionAfter(
    { keyId, grantedAt }: VerifiedAccess,
    { workspaceId, service }: Place,
    { life }: Premises,
  ): Promise<string> {
    const seconds = durationMs(this.options.settings.BERTH_ACCESS_SESSION) / 1000;
    const claims = { keyId, workspaceId, service, life };
    const key = await this.key();
    const now = this.options.clock.now();
    const token = await signAccess('session', claims, { key, now, seconds, grantedAt });
    return `${COOKIE}=${token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${seconds}`;
  }

  private async verify(kind: AccessKind, token: string): Promise<VerifiedAccess | null> {
    return verifyAccess(kind, token, { key: await this.key(), now: this.options.clock.now() });
  }

  private async key(): Promise<string> {
    const key = await this.options.agentKey();
    if (key !== null) return key;
    throw new Problem(
      'BERTH_NOT_READY',
      'secrets/agent-token.key is missing or is not 64 hexadecimal digits.',
    );
  }

  private loginFor(question: Question): string {
    const { BERTH_DOMAIN: domain, BERTH_HTTPS_PORT: port } = this.options.settings;
    const url = new URL(`https://api.${domain}${port === 443 ? '' : `:${port}`}/login`);
    const to = urlOf(question);
    // One that did not open it.
    to.searchParams.delete(LINK_PARAMETER);
    url.searchParams.set('to', to.href);
    return url.href;
  }

  private now(): number {
    return this.options.clock.now().getTime();
  }
}

const OPEN: Entrance = { setCookie: null };

/** Put together, not resolved: a path such as `//elsewhere` leads nowhere else. */
const urlOf = ({ origin, uri }: Question) => new URL(`${origin}${uri.startsWith('/') ? '' : '/'}${uri}`);
