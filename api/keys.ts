import { messageOf } from '../shared/errors.js';
import { runKeysCommand, USAGE, UsageError } from './auth/keys-command.js';

runKeysCommand(process.argv.slice(2), process.env, (line) => console.log(line)).catch((error: unknown) => {
  const usage = error instanceof UsageError;
  console.error(`keys: ${messageOf(error)}${usage ? `\n${USAGE}` : ''}`);
  process.exitCode = usage ? 2 : 1;
});
