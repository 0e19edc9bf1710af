import { expect } from 'chai';
import fc from 'fast-check';
import { signAgentToken, verifyAgentToken } from '../../../shared/agent-token.js';
import { backoffMs } from '../../../shared/backoff.js';
import { mergeConditions } from '../../../shared/model/condition.js';
import { bucketSchema, desiredSchema, generationOf } from '../../../shared/model/desired.js';
import { ID_PATTERN, newWorkspaceId } from '../../../shared/model/ids.js';
import { agentReportSchema } from '../../../shared/model/report.js';
import { urlsOf } from '../../../shared/model/urls.js';
import { QUIET_SYNC } from '../../support/quiet-sync.js';

describe('model', () => {
  it('makes ids of 12 characters that are DNS labels', () => {
    for (let i = 0; i < 1000; i++) expect(newWorkspaceId()).to.match(ID_PATTERN).and.have.length(12);
  });

  it("builds R2's URLs and names the port only when it is unusual", () => {
    expect(urlsOf('abc', 'berth.localhost', 443)).to.deep.equal({
      vnc: 'https://abc-vnc.berth.localhost',
      code: 'https://abc-code.berth.localhost',
      web: 'https://abc-web.berth.localhost',
    });
    expect(urlsOf('abc', 'berth.localhost', 8443).code).to.equal('https://abc-code.berth.localhost:8443');
  });

  it("accepts S3's bucket names only", () => {
    for (const name of ['demo', 'my.bucket-1', 'a1b'])
      expect(bucketSchema.safeParse(name).success, name).to.equal(true);
    for (const name of [
      '',
      'ab',
      'Demo',
      '-a-',
      'a..b',
      '1.2.3.4',
      'a/b',
      'a b',
      'x'.repeat(64),
      '{{env "X"}}',
    ]) {
      expect(bucketSchema.safeParse(name).success, name).to.equal(false);
    }
  });

  it('names the same wish with the same generation and another with another', () => {
    const declare = (spec: object, metadata: object = {}) =>
      generationOf(
        desiredSchema.parse({
          apiVersion: 'berth/v1',
          kind: 'Workspace',
          metadata: { id: 'a', ...metadata },
          spec,
        }),
      );
    const base = declare({ bucket: 'demo' });
    expect(declare({ bucket: 'demo' }, { labels: { team: 'x' } })).to.equal(base);
    for (const other of [
      { bucket: 'demo2' },
      { bucket: 'demo', prefix: 'p' },
      { bucket: 'demo', state: 'stopped' },
    ]) {
      expect(declare(other)).not.to.equal(base);
    }
    expect(declare({ bucket: 'demo' }, { uid: 'new' })).not.to.equal(base);
  });

  it('reads reports of agents that do not know of pending bytes and hard links', () => {
    const { pendingBytes: _pendingBytes, hardLinks: _hardLinks, ...sync } = QUIET_SYNC;
    const report = { runId: 'r', state: 'ready', sync: { ...sync, pendingFiles: 3 }, lastActivityAt: null };
    const read = agentReportSchema.parse(report);
    expect(read.sync).to.deep.equal({ ...QUIET_SYNC, pendingFiles: 3 });
  });

  it('moves the time of a condition only with its status', () => {
    const update = { type: 'RoutesReady', status: 'False', reason: 'A', message: '' } as const;
    const first = mergeConditions([], [update], new Date(0));
    const same = mergeConditions(first, [{ ...update, reason: 'B' }], new Date(5000));
    expect(same[0]).to.include({ reason: 'B', lastTransitionTime: new Date(0).toISOString() });
    const flipped = mergeConditions(same, [{ ...update, status: 'True' }], new Date(9000));
    expect(flipped[0]?.lastTransitionTime).to.equal(new Date(9000).toISOString());
  });

  it('never waits longer than it may, nor less than half of the step', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, random) => {
          const ms = backoffMs(failures, { baseMs: 1000, maxMs: 300_000 }, () => random);
          const step = Math.min(300_000, 1000 * 2 ** Math.min(failures - 1, 30));
          expect(ms).to.be.within(step / 2, step);
        },
      ),
    );
  });

  it("believes only tokens of its own key and for agents' use", async () => {
    const [key, other] = ['aa'.repeat(32), 'bb'.repeat(32)];
    const token = await signAgentToken({ id: 'demo', runId: 'r1' }, key);
    expect(await verifyAgentToken(token, key)).to.deep.equal({ id: 'demo', runId: 'r1' });
    const forged = await verifyAgentToken(token, other).then(
      () => 'believed',
      () => 'refused',
    );
    expect(forged).to.equal('refused');
  });
});
