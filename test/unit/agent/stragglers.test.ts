import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { endStragglers } from '../../../agent/services/stragglers.js';

/** Nobody else's. */
const UID = 1_999_000_001;

const begin = async (script: string) => {
  const child = spawn('sh', ['-c', script], { uid: UID, stdio: ['ignore', 'pipe', 'ignore'], cwd: '/' });
  await once(child.stdout, 'data');
};

describe('agent: what the user left running', function () {
  before(function () {
    // Only root starts processes of another user.
    if (process.getuid?.() !== 0) this.skip();
  });

  afterEach(() => endStragglers(UID, 0));

  it('is asked first, and may take its time', async () => {
    await begin(`trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done`);
    await endStragglers(UID, 60_000);
    expect(alive()).to.deep.equal([]);
  });

  it('is gone afterwards, also what ignores the request and starts others all the time', async () => {
    for (let i = 0; i < 5; i++)
      await begin(`trap '' TERM HUP; echo up; while :; do (sleep 0.02; sleep 5) & sleep 0.01; done`);
    await endStragglers(UID, 100);
    expect(alive()).to.deep.equal([]);
  });
});

function alive(): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8');
      return status.includes(`\nUid:\t${UID}\t`) && !/^State:\tZ/m.test(status);
    } catch {
      return false;
    }
  });
}
