import { expect } from 'chai';
import { fullJitterMs, retrying } from '../../../shared/s3/retry.js';
import { S3Error } from '../../../shared/s3/s3-error.js';

describe('S3 retries', () => {
  it('wait anything up to a bound that doubles with each failure, and never more than the longest', () => {
    const longest = (failures: number) => fullJitterMs(failures, 500, 4_000, () => 1);
    expect([1, 2, 3, 4, 5, 2_000].map(longest)).to.deep.equal([500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    expect(fullJitterMs(3, 500, 4_000, () => 0)).to.equal(0);
    expect(fullJitterMs(3, 500, 4_000, () => 0.25)).to.equal(500);
  });

  it('are spread over all of it by themselves: agents that failed together do not knock together', () => {
    const waits = Array.from({ length: 400 }, () => fullJitterMs(3, 500, 4_000));
    expect(Math.min(...waits)).to.be.within(0, 500);
    expect(Math.max(...waits)).to.be.within(1_500, 2_000);
  });

  it('end with the last of the tries, and at once where trying does not help', async () => {
    const triesOf = async (error: S3Error) => {
      let tries = 0;
      const request = () => {
        tries += 1;
        return Promise.reject(error);
      };
      const failure = await retrying({ attempts: 3, baseMs: 1, maxMs: 1 }, request).catch(
        (reason: unknown) => reason,
      );
      expect(failure).to.equal(error);
      return tries;
    };
    expect(await triesOf(new S3Error('busy', 'SlowDown', 'later', 503))).to.equal(3);
    expect(await triesOf(new S3Error('bucket', 'AccessDenied', 'no', 403))).to.equal(1);
  });
});
