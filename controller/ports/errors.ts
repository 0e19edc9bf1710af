import { BerthError } from '../../shared/errors.js';

/** Something winds up or down and cannot be changed right now; ask again soon. Not a failure. */
export class NotYetError extends BerthError {
  override readonly name = 'NotYetError';

  constructor(message: string) {
    super('BERTH_NOT_YET', message);
  }
}
