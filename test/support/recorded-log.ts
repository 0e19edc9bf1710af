import { Writable } from 'node:stream';
import winston from 'winston';
import type { Logger } from '../../shared/logger.js';

/** A logger, and what was said by it: `level message`. */
export function recordedLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(line.toString().trimEnd());
      done();
    },
  });
  const format = winston.format.printf(({ level, message }) => `${level} ${String(message)}`);
  return {
    log: winston.createLogger({ format, transports: [new winston.transports.Stream({ stream })] }),
    lines,
  };
}
