import winston from 'winston';

export type Logger = winston.Logger;

/**
 * One JSON object a line on standard output. Messages are constant; what varies goes into fields:
 * `logger.info('service created', { id, serviceId })`.
 *
 * @param component - which program speaks: `api`, `controller`, `agent`
 */
export function createLogger(component: string, level = 'info'): Logger {
  return winston.createLogger({
    level,
    defaultMeta: { component },
    format: winston.format.combine(
      winston.format.timestamp(),
      winston.format.errors({ stack: true }),
      winston.format.json(),
    ),
    transports: [new winston.transports.Console()],
  });
}

/** A logger that says nothing, for tests. */
export function silentLogger(): Logger {
  return winston.createLogger({ silent: true });
}
