import https from 'node:https';
import { messageOf } from '../../shared/errors.js';
import { hostOf, type ServiceName } from '../../shared/model/urls.js';
import type { Prober, RouteFault, RouteFindings } from '../ports/prober.js';
import { PROOF_HEADER } from './docker/routes.js';

const TIMEOUT_MS = 3000;
/** What Traefik itself answers while it has no live server behind a router. */
const GATEWAY_ERRORS = new Set([502, 503, 504]);
/** What each service answers when it serves; any answer of the user's own web app counts. */
const PATHS: Record<ServiceName, string> = { vnc: '/', code: '/healthz', web: '/' };

export interface HttpsProberSettings {
  /** Where the gateway listens, `host:port`. */
  gateway: string;
  domain: string;
  /** PEM of the CA that vouches for the gateway's certificate; undefined: the system's own. */
  ca: string | undefined;
  /** Makes the token that the gateway's guard lets the controller in with. */
  tokenFor: (id: string, service: ServiceName) => Promise<string>;
}

/** Asks as a browser would: by TLS to the gateway, with the workspace's host name and a checked certificate. */
export class HttpsProber implements Prober {
  private readonly agent: https.Agent;

  constructor(private readonly settings: HttpsProberSettings) {
    this.agent = new https.Agent({ maxSockets: 64, ca: settings.ca });
  }

  async probe(workspaceId: string): Promise<RouteFindings> {
    const [vnc, code, web] = await Promise.all(
      (['vnc', 'code', 'web'] as const).map((service) => this.ask(workspaceId, service)),
    );
    return { vnc: vnc ?? null, code: code ?? null, web: web ?? null };
  }

  close(): void {
    this.agent.destroy();
  }

  private async ask(id: string, service: ServiceName): Promise<RouteFault | null> {
    try {
      const host = hostOf(id, service, this.settings.domain);
      const token = await this.settings.tokenFor(id, service);
      const { status, headers } = await this.get(host, PATHS[service], { Authorization: `Bearer ${token}` });
      if (headers[PROOF_HEADER.toLowerCase()] !== id)
        return { by: 'gateway', message: `no route yet, status ${status}` };
      // The agent's own page says that the way is open, whatever it says about the user's app.
      const serves =
        service === 'web'
          ? headers['x-berth-agent'] !== undefined || !GATEWAY_ERRORS.has(status)
          : status === 200;
      return serves ? null : { by: 'workspace', message: `status ${status}` };
    } catch (error) {
      const isWorkspaces = error instanceof SilenceError && (await this.gateAnswers());
      return { by: isWorkspaces ? 'workspace' : 'gateway', message: messageOf(error) };
    }
  }

  /** The gateway asks the API before it passes a request on: where that one hangs, all workspaces seem silent. */
  private async gateAnswers(): Promise<boolean> {
    try {
      return (await this.get(`api.${this.settings.domain}`, '/healthz', {})).status === 200;
    } catch {
      return false;
    }
  }

  private get(host: string, path: string, headers: Record<string, string>): Promise<Answer> {
    const [gatewayHost, gatewayPort] = splitAddress(this.settings.gateway);
    return new Promise((resolve, reject) => {
      const request = https.get(
        {
          agent: this.agent,
          host: gatewayHost,
          port: gatewayPort,
          servername: host,
          path,
          headers: { Host: host, ...headers },
        },
        (response) => {
          // The head says it all, and a user's app may go on sending for ever.
          response.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers });
        },
      );
      // Once TLS is up, the gateway has taken the question, and whoever is behind it keeps silent.
      let connected = false;
      request.once('socket', (socket) => socket.once('secureConnect', () => (connected = true)));
      const timer = setTimeout(() => {
        request.destroy(connected ? new SilenceError() : new Error('the gateway does not answer'));
      }, TIMEOUT_MS);
      request.once('close', () => {
        clearTimeout(timer);
        // Of an answer that changes the protocol nothing else is told. After any other this says nothing.
        reject(new Error('closed without an answer'));
      });
      request.on('error', reject);
    });
  }
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
}

class SilenceError extends Error {
  constructor() {
    super(`no answer within ${TIMEOUT_MS} ms`);
  }
}

function splitAddress(address: string): [string, number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}
