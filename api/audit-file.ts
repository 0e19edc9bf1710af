import path from 'node:path';
import winston from 'winston';
import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { Audit } from './middleware/audit.js';

const MAX_BYTES = 10 * 1024 ** 2;
/** With the present one. */
const MAX_FILES = 10;

/** The audit log, one JSON line an entry, in `audit.jsonl`; `audit1.jsonl` is the one before. */
export function openAuditFile(folder: string, logger: Logger): Audit {
  const file = new winston.transports.File({
    filename: path.join(folder, 'audit.jsonl'),
    ...{ maxsize: MAX_BYTES, maxFiles: MAX_FILES, tailable: true },
    options: { flags: 'a', mode: 0o640 },
  });
  file.on('error', (error: unknown) => {
    logger.error('the audit log cannot be written', { error: messageOf(error) });
  });
  const line = winston.format((info) =>
    Object.assign(info, { [Symbol.for('message')]: JSON.stringify(info['entry']) }),
  );
  const audit = winston.createLogger({ format: line(), transports: [file] });
  return (entry) => audit.info({ entry, message: 'audit' });
}
