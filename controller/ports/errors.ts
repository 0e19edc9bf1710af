import { BerthError } from '../../shared/errors.js';

/** Something is still held by what winds down; ask again soon. Not a failure. */
export class StillInUseError extends BerthError {
  override readonly name = 'StillInUseError';

  constructor(what: string) {
    super('BERTH_STILL_IN_USE', `${what} is still in use`);
  }
}
