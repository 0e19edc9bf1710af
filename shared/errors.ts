/** Base of all errors that Berth raises on purpose: a stable code for programs, a next step for people. */
export class BerthError extends Error {
  override readonly name: string = 'BerthError';

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A file that is not what it should be: which one, where, and why. Nothing is changed on disk. */
export class InvalidRecordError extends BerthError {
  override readonly name = 'InvalidRecordError';

  constructor(
    readonly file: string,
    readonly reason: string,
    readonly line: number | null = null,
  ) {
    super('BERTH_RECORD_INVALID', `${file}${line === null ? '' : `:${line}`}: ${reason}`);
  }
}

/** The record changed (or appeared) since it was read; read it again and decide anew. */
export class RecordConflictError extends BerthError {
  override readonly name = 'RecordConflictError';

  constructor(file: string) {
    super('BERTH_RECORD_CONFLICT', `${file} was changed by somebody else in the meantime`);
  }
}

/** A failure that trying again cannot mend; the work queue drops the item until something changes. */
export class TerminalError extends BerthError {
  override readonly name = 'TerminalError';

  constructor(message: string, options?: ErrorOptions) {
    super('BERTH_TERMINAL', message, options);
  }
}

/** The words of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to several addresses is an AggregateError without a message of its own.
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error.message;
}

/** The operating system's code of an error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
