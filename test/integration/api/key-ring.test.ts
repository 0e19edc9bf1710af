import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import { expect } from 'chai';
import { KeyRing } from '../../../api/auth/key-ring.js';
import { openKeyFile, type KeyFile } from '../../../api/auth/key-file.js';
import type { Problem } from '../../../api/problem.js';
import type { Clock } from '../../../shared/clock.js';
import { silentLogger } from '../../../shared/logger.js';

const SECRETS = { one: 'secret-of-key-one', two: 'secret-of-key-two' };
const HASHES = { one: bcrypt.hashSync(SECRETS.one, 4), two: bcrypt.hashSync(SECRETS.two, 4) };
const ONE = `one_${SECRETS.one}`;
const TWO = `two_${SECRETS.two}`;

describe('the keys in force', () => {
  let folder: string;
  let file: string;
  let now: number;
  let compared: { secret: string; hash: string }[];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'berth-keys-'));
    file = path.join(folder, 'keys.yaml');
    now = Date.parse('2026-01-02T03:04:05.000Z');
    compared = [];
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const clock: Clock = { now: () => new Date(now), elapsedMs: () => now, after: () => () => {} };

  function ring(fromEnvironment: Record<string, string> = {}, before?: () => Promise<void>): KeyRing {
    return new KeyRing({
      file,
      fromEnvironment: new Map(Object.entries(fromEnvironment)),
      clock,
      logger: silentLogger(),
      compare: async (secret, hash) => {
        compared.push({ secret, hash });
        await before?.();
        return bcrypt.compare(secret, hash);
      },
    });
  }

  function store(...ids: (keyof typeof SECRETS)[]): Promise<void> {
    const keys: KeyFile['keys'] = {};
    for (const id of ids)
      keys[id] = { name: id, hash: HASHES[id], createdAt: '2026-01-01T00:00:00.000Z', scope: 'admin' };
    return openKeyFile(file).write({ keys });
  }

  const admin = (id: string) => ({ id, scope: 'admin', labels: {} });

  it('say what they may do, and nothing once they have expired, also when they were verified before', async () => {
    const entry = { name: 'one', hash: HASHES.one, createdAt: '2026-01-01T00:00:00.000Z' };
    const expiresAt = new Date(clock.now().getTime() + 10_000).toISOString();
    const labels = { team: 'a' };
    await openKeyFile(file).write({ keys: { one: { ...entry, scope: 'read', expiresAt, labels } } });
    const keys = ring();
    expect(await keys.verify(ONE)).to.deep.equal({ id: 'one', scope: 'read', labels });
    expect(await keys.owner('one')).to.deep.equal({ id: 'one', scope: 'read', labels });
    now += 10_000;
    const refusal = await keys.verify(ONE).catch((error: unknown) => error);
    expect(String(refusal)).to.contain('has expired');
    expect(await keys.owner('one')).to.equal(null);
    const other = await ring()
      .verify(ONE)
      .catch((error: unknown) => error);
    expect(String(other)).to.contain('has expired');
  });

  it('are those of the file', async () => {
    await store('one');
    const keys = ring();
    expect(await keys.verify(ONE)).to.deep.equal(admin('one'));
    expect(await keys.verify(TWO)).to.equal(null);
    expect(await keys.verify(`one_${SECRETS.two}`)).to.equal(null);
    expect(await keys.size()).to.equal(1);
  });

  it('are those of the environment, which win over the file', async () => {
    await store('one', 'two');
    const keys = ring({ one: HASHES.two });
    expect(await keys.verify(ONE)).to.equal(null);
    expect(await keys.verify(`one_${SECRETS.two}`)).to.deep.equal(admin('one'));
    expect(await keys.verify(TWO)).to.deep.equal(admin('two'));
  });

  it('are none without a file, and nobody gets in', async () => {
    const keys = ring();
    expect(await keys.size()).to.equal(0);
    expect(await keys.verify(ONE)).to.equal(null);
  });

  it('cost one bcrypt for 60 s, also when many come at once', async () => {
    await store('one');
    const keys = ring();
    await Promise.all(Array.from({ length: 10 }, () => keys.verify(ONE)));
    now += 59_999;
    await keys.verify(ONE);
    expect(compared).to.have.length(1);
    now += 2;
    expect(await keys.verify(ONE)).to.deep.equal(admin('one'));
    expect(compared).to.have.length(2);
  });

  it('are not believed on the strength of another secret of the same id', async () => {
    await store('one');
    const keys = ring();
    await keys.verify(ONE);
    expect(await keys.verify(`one_${SECRETS.two}`)).to.equal(null);
  });

  it('cost as much for an unknown id as for a known one', async () => {
    await store('one');
    const keys = ring();
    await keys.verify(TWO);
    expect(compared).to.have.length(1);
    expect(compared[0]?.hash.slice(0, 7)).to.equal(HASHES.one.slice(0, 7));
    expect(compared[0]?.hash).to.have.length(HASHES.one.length);
  });

  it('are read anew when the file changes: added, withdrawn, removed', async () => {
    await store('one');
    const keys = ring();
    expect(await keys.verify(ONE)).to.not.equal(null);
    await store('one', 'two');
    expect(await keys.verify(TWO)).to.not.equal(null);
    await store('two');
    expect(await keys.verify(ONE)).to.equal(null);
    await rm(file);
    expect(await keys.verify(TWO)).to.equal(null);
  });

  it('do not outlive their withdrawal by way of a comparison under way', async () => {
    await store('one');
    const keys = ring({}, async () => {
      if (compared.length === 1) await store('two');
      await keys.size();
    });
    await keys.verify(ONE);
    expect(await keys.verify(ONE)).to.equal(null);
  });

  it('stay in force while the file is broken', async () => {
    await store('one');
    const keys = ring();
    await keys.verify(ONE);
    for (const broken of ['keys: [', 'keys: {one: {hash: clear-text}}']) {
      await writeFile(file, broken);
      expect(await keys.verify(ONE), broken).to.deep.equal(admin('one'));
    }
    await store('two');
    expect(await keys.verify(ONE)).to.equal(null);
  });

  it('are compared one at a time; a flood of wrong ones is turned away', async () => {
    let active = 0;
    let most = 0;
    const keys = ring({ one: HASHES.one }, async () => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setImmediate(resolve));
      active--;
    });
    const flood = Array.from({ length: 100 }, (_, i) => keys.verify(`one_wrong-secret-${i}-of-many`));
    const results = await Promise.allSettled(flood);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(most).to.equal(1);
    expect(refused.length).to.be.within(40, 50);
    for (const { reason } of refused) expect((reason as Problem).code).to.equal('BERTH_BUSY');
    expect(await keys.verify(ONE)).to.deep.equal(admin('one'));
  });
});
