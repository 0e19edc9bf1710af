import path from 'node:path';
import winston from 'winston';
import { messageOf } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { Audit } from './middleware/audit.js';

const MAX_BYTES = 10 * 1024 ** 2;
/** With the present one. */
const MAX_FILES = 10;

/**
 * The audit log, one JSON line an entry: in `audit.jsonl` what keys did, in `refused.jsonl` what nobody known
 * tried, so that nobody can fill the first without a key. `audit1.jsonl` is the file before.
 */
export function openAuditFile(folder: string, logger: Logger): Audit {
  const audit = openLines(folder, 'audit.jsonl', logger);
  const refused = openLines(folder, 'refused.jsonl', logger);
  return (entry) => (entry.keyId === null ? refused : audit)(entry);
}

function openLines(folder: string, name: string, logger: Logger): Audit {
  const file = new winston.transports.File({
    filename: path.join(folder, name),
    ...{ maxsize: MAX_BYTES, maxFiles: MAX_FILES, tailable: true },
    options: { flags: 'a', mode: 0o640 },
  });
  file.on('error', (error: unknown) => {
    logger.error('the audit log cannot be written', { file: name, error: messageOf(error) });
  });
  const line = winston.format((info) =>
    Object.assign(info, { [Symbol.for('message')]: JSON.stringify(info['entry']) }),
  );
  const lines = winston.createLogger({ format: line(), transports: [file] });
  return (entry) => lines.info({ entry, message: 'audit' });
}
