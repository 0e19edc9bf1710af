import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { sessionKeysSchema } from '../shared/model/credentials.js';
import { S3Error } from '../shared/s3/s3-error.js';
import type { SessionKeys } from '../shared/s3/sts.js';
import type { Credentials, CredentialSource } from '../shared/s3/transport.js';

/** Renewed when this part of their time is left. */
const RENEW_SHARE = 0.25;
/** After a failure the API is left alone for so long. */
const PAUSE_MS = 5_000;
const TIMEOUT_MS = 10_000;

export interface SessionOptions {
  /** What the container was given; null: nothing. */
  first: SessionKeys | null;
  /** Asks the API; answers with the body. */
  ask: (signal: AbortSignal) => Promise<{ status: number; text: string }>;
  log: Logger;
  now?: () => number;
}

/** S3 keys for this workspace only, which hold for some time and are renewed before it is over. */
export class SessionSource implements CredentialSource {
  private keys: SessionKeys | null;
  private gotAt: number;
  private renewal: Promise<SessionKeys> | null = null;
  private pausedUntil = 0;
  private readonly now: () => number;

  constructor(private readonly options: SessionOptions) {
    this.now = options.now ?? Date.now;
    this.keys = options.first;
    this.gotAt = this.now();
  }

  async current(): Promise<Credentials> {
    const { keys } = this;
    if (keys === null || Date.parse(keys.expiresAt) <= this.now()) return this.renew();
    // Nobody waits while there is something that holds.
    if (this.isOld(keys) && this.now() >= this.pausedUntil) this.renew().catch(() => undefined);
    return keys;
  }

  refused(credentials: Credentials): void {
    if (this.keys?.accessKeyId === credentials.accessKeyId) this.keys = null;
  }

  private isOld({ expiresAt }: SessionKeys): boolean {
    const end = Date.parse(expiresAt);
    return end - this.now() < (end - this.gotAt) * RENEW_SHARE;
  }

  private renew(): Promise<SessionKeys> {
    this.renewal ??= this.fetch().finally(() => (this.renewal = null));
    return this.renewal;
  }

  private async fetch(): Promise<SessionKeys> {
    try {
      const { status, text } = await this.options.ask(AbortSignal.timeout(TIMEOUT_MS));
      if (status !== 200) throw new Error(`the API answered ${status}: ${text.slice(0, 300)}`);
      const keys = sessionKeysSchema.parse(JSON.parse(text));
      this.keys = keys;
      this.gotAt = this.now();
      return keys;
    } catch (error) {
      this.pausedUntil = this.now() + PAUSE_MS;
      const message = `no S3 keys from the API: ${messageOf(error)}`;
      this.options.log.warn(message);
      // As if the S3 server did not answer: it is tried again.
      throw new S3Error('network', 'CredentialsUnavailable', message, null, { cause: error });
    }
  }
}
