import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { execIn, eventually } from '../support/swarm.js';

const SECONDS = Number(process.env['BERTH_TEST_DUEL_SECONDS'] ?? 60);
const FILES = 200;
const WRITER = readFileSync(new URL('support/duel-writer.cjs', import.meta.url), 'utf8');

/** One replacement of a file: what was written, and what had the name before. */
interface Move {
  file: string;
  saw: string[];
  wrote: string;
}

describe('Two workspaces that run on one bucket', function () {
  this.timeout((SECONDS + 240) * 1000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `duel-${randomBytes(4).toString('hex')}`);
  const ids: string[] = [];

  before(async () => {
    for (let number = 0; number < 2; number++)
      ids.push((await berth.start({ bucketId: bucket.name })).containerId);
  });
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  it('see each other’s new, changed and deleted files', async () => {
    const [one = '', two = ''] = ids;
    const has = (id: string, content: string) => async () =>
      (await berth.shell(id, 'cat /workspace/note 2>/dev/null || echo none')) === `${content}\n`;
    await berth.shell(one, 'echo kept > /workspace/kept; echo first > /workspace/note');
    await eventually('the new file', has(two, 'first'), 120_000);
    await berth.shell(two, 'echo second > /workspace/note');
    await eventually('the change', has(one, 'second'), 120_000);
    await berth.shell(one, 'rm /workspace/note');
    await eventually('the deletion', has(two, 'none'), 120_000);
  });

  it(`lose no version that nobody replaced, while both edit the same ${FILES} files for ${SECONDS} s`, async () => {
    const play = async (id: string): Promise<Move[]> => {
      const command = ['node', '-e', WRITER, '--', id, String(FILES), String(SECONDS)];
      const out = await execIn(await berth.containerOf(id), command);
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Move);
    };
    const moves = (await Promise.all(ids.map(play))).flat();
    expect(moves.length).to.be.greaterThan(FILES);
    for (const id of ids) await berth.remove(id);

    const replaced = new Set(moves.flatMap(({ saw }) => saw));
    const kept = new Map<string, string>();
    for (const key of await bucket.keys('')) {
      if (!key.startsWith('.berth/'))
        kept.set((await bucket.get(key)) ?? '', key.replace(/\.conflict-.*/, ''));
    }
    const lost = moves.filter(({ wrote, file }) => !replaced.has(wrote) && kept.get(wrote) !== file);
    expect(lost).to.deep.equal([]);
    const authorOf = (content: string) => content.split(' ')[0];
    const met = moves.filter(({ wrote, saw }) => saw.some((one) => authorOf(one) !== authorOf(wrote)));
    expect(met.length, 'replaced what came from the other').to.be.greaterThan(0);
  });
});
