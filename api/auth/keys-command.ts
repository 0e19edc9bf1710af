import { stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { commonSettings, readSettings } from '../../shared/config.js';
import { BerthError, codeOf, messageOf } from '../../shared/errors.js';
import { addKey, keyNameSchema, openKeyFile } from './key-file.js';

export const USAGE = `Usage: keys add NAME [--file PATH]   make an API key and print it; it is kept nowhere in clear
       keys list [--file PATH]       show the keys' ids, dates and names

PATH is $BERTH_STATE_DIR/keys.yaml (/var/lib/berth/keys.yaml) unless given.`;

/** The command was not used as it is meant to be; answered with the usage. */
export class UsageError extends BerthError {
  constructor(message: string) {
    super('BERTH_USAGE', message);
  }
}

/**
 * The command that makes and lists API keys.
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
  const [command, ...operands] = positionals;
  const file = values.file ?? path.join(stateDirOf(env), 'keys.yaml');
  if (command === 'add') return print(await add(file, operands));
  if (command === 'list') return (await list(file, operands)).forEach(print);
  throw new UsageError(command === undefined ? 'a command is missing' : `unknown command "${command}"`);
}

function parse(args: string[]) {
  try {
    const options = { file: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

async function add(file: string, operands: string[]): Promise<string> {
  const [name, ...rest] = operands;
  if (name === undefined || rest.length > 0) throw new UsageError('"add" needs exactly one NAME');
  const valid = keyNameSchema.safeParse(name);
  if (!valid.success) throw new UsageError(valid.error.issues[0]?.message ?? 'the name is not valid');
  await assertFolder(path.dirname(file));
  // Nothing but the key: scripts take the output as it is.
  return addKey(file, name, new Date());
}

async function list(file: string, operands: string[]): Promise<string[]> {
  if (operands.length > 0) throw new UsageError('"list" takes no operands');
  const { keys } = (await openKeyFile(file).read()) ?? { keys: {} };
  return Object.entries(keys).map(([id, { name, createdAt }]) => `${id}  ${createdAt}  ${name}`);
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
