import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import aws4 from 'aws4';
import { XMLParser } from 'fast-xml-parser';
import type * as z from 'zod';
import { codeOf, messageOf } from '../errors.js';
import type { sessionKeysSchema } from '../model/credentials.js';
import { kindOf, S3Error, wordsFor } from './s3-error.js';
import type { S3Keys } from './settings.js';

/** Keys that hold for some time. */
export type SessionKeys = z.infer<typeof sessionKeysSchema>;

export interface StsSettings {
  /** URL of the service; undefined for AWS itself. */
  endpoint: string | undefined;
  region: string;
  keys: S3Keys;
  roleArn: string;
}

export interface SessionWish {
  /** Shown in the server's logs. */
  name: string;
  /** What the session may do of all that the role may. */
  policy: string;
  seconds: number;
}

const TIMEOUT_MS = 10_000;

/**
 * Asks the Security Token Service for keys of a role (AssumeRole).
 *
 * @throws S3Error
 */
export async function assumeRole(settings: StsSettings, wish: SessionWish): Promise<SessionKeys> {
  const { status, body } = await post(settings, {
    ...{ Action: 'AssumeRole', Version: '2011-06-15', RoleArn: settings.roleArn },
    RoleSessionName: wish.name.replace(/[^\w+=,.@-]/g, '-').slice(0, 64),
    DurationSeconds: String(wish.seconds),
    Policy: wish.policy,
  });
  const answer = parser.parse(body) as Answer;
  const keys = answer.AssumeRoleResponse?.AssumeRoleResult?.Credentials;
  if (status === 200 && keys?.AccessKeyId && keys.SecretAccessKey && keys.SessionToken && keys.Expiration) {
    return {
      ...{ accessKeyId: keys.AccessKeyId, secretAccessKey: keys.SecretAccessKey },
      ...{ sessionToken: keys.SessionToken, expiresAt: new Date(keys.Expiration).toISOString() },
    };
  }
  // SeaweedFS tells a wrong key as S3 does.
  const { Code: code = `HTTP${status}`, Message: message = '' } =
    answer.ErrorResponse?.Error ?? answer.Error ?? {};
  throw new S3Error(kindOf(status === 200 ? 500 : status, code), code, wordsFor(code, message), status);
}

interface Refusal {
  Code?: string;
  Message?: string;
}

interface Answer {
  AssumeRoleResponse?: {
    AssumeRoleResult?: {
      Credentials?: Partial<
        Record<'AccessKeyId' | 'SecretAccessKey' | 'SessionToken' | 'Expiration', string>
      >;
    };
  };
  ErrorResponse?: { Error?: Refusal };
  Error?: Refusal;
}

const parser = new XMLParser({ parseTagValue: false });

async function post(
  { endpoint, region, keys }: StsSettings,
  fields: Record<string, string>,
): Promise<{ status: number; body: string }> {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const url = new URL(endpoint ?? `https://sts.${region}.${domain}`);
  const body = new URLSearchParams(fields).toString();
  const signed = aws4.sign(
    {
      ...{ service: 'sts', region, method: 'POST', host: url.host, path: url.pathname, body },
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    },
    keys,
  );
  try {
    const sent = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      headers: signed.headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, body: await text(answer) };
  } catch (error) {
    const code = codeOf(error) ?? 'NetworkError';
    throw new S3Error('network', code, wordsFor(code, messageOf(error)), null, { cause: error });
  }
}
