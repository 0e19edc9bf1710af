import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Berth, Bucket } from '../support/berth.js';
import { eventually } from '../support/swarm.js';

const run = promisify(execFile);
const COMMITS = 2_000;

/** 2,000 commits over 200 files, with the blobs packed the way a clone brings them. */
const HISTORY = `
  mkdir /workspace/repo && cd /workspace/repo && git init -q -b main
  git config user.name T && git config user.email t@example.org && git config gc.auto 0
  for i in $(seq ${COMMITS}); do
    text="line $i of $RANDOM"
    printf 'commit refs/heads/main\\ncommitter T <t@example.org> %d +0000\\ndata 8\\ncommit  \\n' $((1700000000 + i))
    printf 'M 100644 inline d%d/f%d\\ndata %d\\n%s\\n' $((i % 10)) $((i % 200)) \${#text} "$text"
  done | git fast-import --quiet
  git reset -q --hard && git tag start`;

/** Whole or not at all, whenever it is ended. */
const ACKNOWLEDGE = 'git rev-parse HEAD > ../acknowledged.new && mv ../acknowledged.new ../acknowledged';

/** What is under way when the workspace is stopped; each writes what it has done into a file. */
const WORK = {
  'git gc': `while :; do
      for i in $(seq 40); do echo $RANDOM >> loose; git add loose; git commit -qm more; done
      ${ACKNOWLEDGE}
      git gc --quiet --prune=now
    done`,
  'git commit': `while :; do
      for i in $(seq 20); do echo $RANDOM > d$((RANDOM % 10))/f$((RANDOM % 200)); done
      git commit -qam work && ${ACKNOWLEDGE}
    done`,
};

describe(`a git repository of ${COMMITS} commits`, function () {
  this.timeout(600_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `git-${randomBytes(4).toString('hex')}`);
  const ids: string[] = [];
  after(async () => {
    await berth.removeQuietly(ids);
    bucket.close();
    berth.close();
  });

  async function start(): Promise<string> {
    const id = `git-${randomBytes(4).toString('hex')}`;
    ids.push(id);
    const spec = { bucketId: bucket.name, name: id, image: 'berth/workspace' };
    const { status, text } = await berth.api('POST', '/api/containers/start?wait=180', spec);
    expect(status, text).to.equal(201);
    return id;
  }

  async function stop(id: string): Promise<void> {
    const { status, text, json } = await berth.api('DELETE', `/api/containers/${id}?wait=120`);
    expect(status, text).to.equal(200);
    expect(json.conditions, text).to.deep.include.members([
      {
        ...json.conditions.find((one: { type: string }) => one.type === 'FinalSyncVerified'),
        status: 'True',
      },
    ]);
  }

  it('is whole after the workspace was stopped in the midst of git gc, and of commits', async () => {
    let id = await start();
    await berth.shell(id, HISTORY);
    for (const [what, script] of [...Object.entries(WORK), ...Object.entries(WORK)]) {
      await berth.shell(id, 'rm -f /workspace/acknowledged');
      const container = await berth.containerOf(id);
      const loop = ['bash', '-c', `cd /workspace/repo && ${script}`];
      await run('docker', ['exec', '--detach', '--user', 'dev', container, ...loop]);
      const busy = `[ -e /workspace/acknowledged ] && pgrep -f '^git ${what.slice(4)}|/git-core/git (gc|repack)'`;
      await eventually(`${what} runs`, () =>
        berth.shell(id, busy).then(
          () => true,
          () => false,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1_000));
      await stop(id);
      id = await start();
      const told = await berth.shell(
        id,
        `cd /workspace/repo && git fsck --full --strict --no-dangling 2>&1 && git rev-list --count HEAD start
         git merge-base --is-ancestor $(cat ../acknowledged) HEAD && echo kept
         git reset -q --hard && git commit -q --allow-empty -m 'work goes on' && echo works`,
      );
      expect(told, `after ${what}`).to.match(/^\d+\nkept\nworks\n$/);
      expect(Number.parseInt(told, 10)).to.be.greaterThan(COMMITS);
    }
    await stop(id);
  });
});
