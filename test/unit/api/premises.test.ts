import { expect } from 'chai';
import { PremisesReader } from '../../../api/access/premises.js';
import type { Facts } from '../../../api/services/facts.js';
import { readApiSettings } from '../../../api/settings.js';
import { FakeClock } from '../../fakes/clock.js';

describe('What is on record about a workspace', () => {
  it('is read again after a second, also when the clock was set back meanwhile', async () => {
    const clock = new FakeClock();
    let reads = 0;
    const read = (id: string): Promise<Facts> => {
      reads += 1;
      return Promise.resolve({ id, desired: { kind: 'absent' }, observed: null, report: null });
    };
    const premises = new PremisesReader({ read }, readApiSettings({}), clock);
    await premises.of('one');
    await premises.of('one');
    expect(reads).to.equal(1);
    clock.set(-3_600_000);
    await clock.advance(1000);
    await premises.of('one');
    expect(reads).to.equal(2);
  });
});
