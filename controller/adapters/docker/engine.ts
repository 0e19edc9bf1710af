import Docker from 'dockerode';

/** Longer than any call that Berth makes takes; an engine that hangs must not hang the controller. */
const CALL_TIMEOUT_MS = 30_000;

/**
 * Connects to the engine named by `DOCKER_HOST`, by default the local socket. Paths carry no API version:
 * the engine answers in its own, and Berth uses only what every engine since 20.10 (API 1.41) knows.
 */
export function connectEngine(timeout = CALL_TIMEOUT_MS): Docker {
  const docker =
    process.env['DOCKER_HOST'] === undefined
      ? new Docker({ socketPath: '/var/run/docker.sock', timeout })
      : new Docker({ timeout });
  endHalfAnswers(docker, timeout);
  return docker;
}

/**
 * Of an answer that begins and never ends (the engine died or fell silent in the middle of it) the client's
 * library says nothing at all: neither its own time-out nor the end of the connection reaches the caller.
 */
function endHalfAnswers({ modem }: Docker, timeoutMs: number): void {
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    // A stream has no end to wait for.
    if (options.isStream === true || callback === undefined) return dial(options, callback);
    let told = false;
    const tell: typeof callback = (error, result) => {
      clearTimeout(timer);
      if (told) return;
      told = true;
      callback(error, result);
    };
    const timer = setTimeout(
      () => tell(new Error(`the engine did not answer to the end within ${timeoutMs / 1000} s`), null),
      timeoutMs,
    );
    dial(options, tell);
  };
}

/** HTTP status of an engine's refusal; undefined when it did not answer at all. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** The engine's own words, without the client's frame around them. */
export function engineMessage(error: unknown): string {
  const json = (error as { json?: { message?: unknown } } | null)?.json;
  if (typeof json?.message === 'string') return json.message;
  return error instanceof Error ? error.message : String(error);
}

/** Some engines report a cluster network that is gone with a 500. */
export const isNotFound = (error: unknown) =>
  statusOf(error) === 404 || (statusOf(error) === 500 && /not found/.test(engineMessage(error)));

/** Runs a removal for which "not there" is as good as "gone". */
export async function goneIsFine(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
