import { stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type * as z from 'zod';
import { commonSettings, readSettings } from '../../shared/config.js';
import { BerthError, codeOf, messageOf } from '../../shared/errors.js';
import { labelMapSchema } from '../../shared/model/desired.js';
import { durationMs, durationSchema } from '../../shared/model/duration.js';
import { addKey, keyNameSchema, openKeyFile, revokeKey, rotateKey, type KeyWish } from './key-file.js';
import { scopeSchema } from './permissions.js';
import { placeSchema } from './places.js';

export const USAGE = `Usage: keys add NAME [--scope SCOPE] [--expires WHEN] [--label NAME=VALUE]...
                          [--bucket PLACE]...
                          make an API key and print it; it is kept nowhere in clear
       keys list          show the keys' ids, scopes, labels, places, dates and names
       keys revoke ID     withdraw a key at once
       keys rotate ID [--grace TIME]
                          make a key that may do the same, and print it; the old one
                          expires after the time (at once)

SCOPE is read, write or admin (the default). WHEN is a time such as 2027-01-31T12:00:00Z,
or a duration from now such as 90d. With labels, the key sees only workspaces that have them.
PLACE is where it may start workspaces: a bucket, "team-a-*", or bucket/prefix; with labels, nowhere
unless it is given.
All take --file PATH: $BERTH_STATE_DIR/keys.yaml (/var/lib/berth/keys.yaml) unless given.`;

/** The command was not used as it is meant to be; answered with the usage. */
export class UsageError extends BerthError {
  constructor(message: string) {
    super('BERTH_USAGE', message);
  }
}

/**
 * The command that makes, lists and withdraws API keys.
 *
 * @param print - receives the lines of the output
 * @throws UsageError, BerthError
 */
export async function runKeysCommand(
  args: string[],
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) return print(USAGE);
  const [command = '', ...operands] = positionals;
  const file = values.file ?? path.join(stateDirOf(env), 'keys.yaml');
  const now = new Date();
  switch (command) {
    case 'add': {
      const wish = wishOf(only(operands, 'NAME'), values, now);
      await assertFolder(path.dirname(file));
      // Nothing but the key: scripts take the output as it is.
      return print(await addKey(file, wish, now));
    }
    case 'list':
      if (operands.length > 0) throw new UsageError('"list" takes no operands');
      return (await list(file)).forEach(print);
    case 'revoke':
      return revokeKey(file, only(operands, 'ID'));
    case 'rotate': {
      const grace =
        values.grace === undefined ? 0 : durationMs(valid(durationSchema, values.grace, '--grace'));
      return print(await rotateKey(file, only(operands, 'ID'), grace, now));
    }
    default:
      throw new UsageError(command === '' ? 'a command is missing' : `unknown command "${command}"`);
  }
}

type Values = ReturnType<typeof parse>['values'];

function parse(args: string[]) {
  try {
    const text = { type: 'string' } as const;
    const options = {
      ...{ file: text, scope: text, expires: text, grace: text },
      label: { type: 'string', multiple: true },
      bucket: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
    } as const;
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function only(operands: string[], what: string): string {
  const [operand, ...rest] = operands;
  if (operand === undefined || rest.length > 0) throw new UsageError(`exactly one ${what} is needed`);
  return operand;
}

function wishOf(name: string, { scope, expires, label, bucket }: Values, now: Date): KeyWish {
  const labels = label === undefined ? undefined : valid(labelMapSchema, labelsOf(label), '--label');
  const buckets = bucket?.map((pattern) => valid(placeSchema, pattern, '--bucket'));
  return {
    name: valid(keyNameSchema, name, 'NAME'),
    scope: valid(scopeSchema, scope ?? 'admin', '--scope'),
    ...(expires !== undefined && { expiresAt: expiryOf(expires, now) }),
    ...(labels !== undefined && { labels }),
    ...(buckets !== undefined && { buckets }),
  };
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
      if (name === undefined || value === undefined)
        throw new UsageError(`--label ${pair}: must be NAME=VALUE`);
      return [name, value];
    }),
  );
}

function expiryOf(text: string, now: Date): string {
  const duration = durationSchema.safeParse(text);
  const at = duration.success ? now.getTime() + durationMs(duration.data) : Date.parse(text);
  if (Number.isNaN(at)) throw new UsageError(`--expires ${text}: must be a time or a duration such as 90d`);
  if (at <= now.getTime()) throw new UsageError(`--expires ${text}: is past`);
  return new Date(at).toISOString();
}

function valid<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UsageError(`${what}: ${result.error.issues[0]?.message ?? 'is not valid'}`);
}

async function list(file: string): Promise<string[]> {
  const { keys } = (await openKeyFile(file).read()) ?? { keys: {} };
  return Object.entries(keys).map(
    ([id, { scope, labels = {}, buckets = [], createdAt, expiresAt, name }]) => {
      const shown = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
      const places = buckets.join(',') || '-';
      return [id, scope, shown.join(',') || '-', places, createdAt, expiresAt ?? '-', name].join('  ');
    },
  );
}

function stateDirOf(env: NodeJS.ProcessEnv): string {
  return readSettings({ BERTH_STATE_DIR: commonSettings.BERTH_STATE_DIR }, env).BERTH_STATE_DIR;
}

async function assertFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (found?.isDirectory()) return;
  throw new BerthError(
    'BERTH_STATE_MISSING',
    `There is no folder ${folder}; set BERTH_STATE_DIR, or run \`make up\` first.`,
  );
}
