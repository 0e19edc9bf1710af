import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);

/** After all suites, before the test's Berth is taken down: they have cleaned up behind themselves. */
describe('The tests', () => {
  const stack = process.env['BERTH_STACK'] ?? '';

  for (const kind of [
    ['service', 'ls'],
    ['network', 'ls'],
    ['volume', 'ls'],
    ['ps', '--all'],
  ]) {
    it(`left nothing of a workspace behind: docker ${kind.join(' ')}`, async () => {
      const filters = ['--filter', `label=berth.stack=${stack}`, '--filter', 'label=berth.workspace'];
      const { stdout } = await run('docker', [...kind, ...filters]);
      expect(stdout.trim().split('\n').slice(1)).to.deep.equal([]);
    });
  }

  it('left no stack of the contract suite behind', async () => {
    const { stdout } = await run('docker', ['service', 'ls', '--format', '{{.Name}}']);
    expect(stdout.split('\n').filter((name) => /^btc[0-9a-f]{6}_/.test(name))).to.deep.equal([]);
  });
});
