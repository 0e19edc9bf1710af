import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { cpuSeconds, networkBytes } from '../../../agent/activity/procfs.js';
import { Terminals } from '../../../agent/activity/terminals.js';

describe('agent: signs of work', () => {
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(tmpdir(), 'berth-activity-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const uid = process.getuid?.() ?? 0;

  it('sums the CPU time of one user’s processes and of those they waited for', async () => {
    fs.mkdirSync(path.join(folder, '12'));
    const fields = ['S', ...Array<string>(10).fill('1'), '100', '50', '30', '20', '9'];
    fs.writeFileSync(path.join(folder, '12/stat'), `12 (a ) b) ${fields.join(' ')}\n`);
    fs.mkdirSync(path.join(folder, 'self'));
    expect(await cpuSeconds(uid, folder)).to.equal(2);
    expect(await cpuSeconds(uid + 1, folder)).to.equal(0);
    expect(await cpuSeconds(uid, path.join(folder, 'none'))).to.equal(null);
  });

  it('sees real processes work', async () => {
    const child = spawn('sh', ['-c', 'while :; do :; done']);
    try {
      const before = (await cpuSeconds(uid)) ?? 0;
      const deadline = Date.now() + 10_000;
      while (((await cpuSeconds(uid)) ?? 0) < before + 0.2 && Date.now() < deadline) await pause(50);
      expect(((await cpuSeconds(uid)) ?? 0) - before).to.be.at.least(0.2);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('sums what went through the network, but not through the loopback', async () => {
    fs.mkdirSync(path.join(folder, 'net'));
    const line = (name: string, rx: number, tx: number) =>
      `${name}: ${[rx, 1, 0, 0, 0, 0, 0, 0, tx, 1, 0, 0, 0, 0, 0, 0].join(' ')}`;
    const lines = [
      'Inter-| Receive',
      ' face |bytes',
      line('    lo', 999, 999),
      line('  eth0', 10, 5),
      line('eth1', 2, 1),
    ];
    fs.writeFileSync(path.join(folder, 'net/dev'), `${lines.join('\n')}\n`);
    expect(await networkBytes(folder)).to.equal(18);
    expect(await networkBytes(path.join(folder, 'none'))).to.equal(null);
  });

  it('knows when a terminal of the user’s last printed something, its own words aside', async () => {
    const terminal = path.join(folder, '3');
    fs.writeFileSync(terminal, '');
    fs.writeFileSync(path.join(folder, 'ptmx'), '');
    fs.utimesSync(terminal, 100, 100);
    const terminals = new Terminals(uid, folder);
    expect(await terminals.sample()).to.equal(100_000);
    await terminals.print('Nobody works here.');
    expect(fs.readFileSync(terminal, 'utf8')).to.contain('[Berth] Nobody works here.');
    expect(await terminals.sample()).to.equal(100_000);
    fs.utimesSync(terminal, 300, 300);
    expect(await terminals.sample()).to.equal(300_000);
    expect(await new Terminals(uid + 1, folder).sample()).to.equal(null);
  });

  it('prints on a real terminal', async () => {
    const script = `import os,sys
master, terminal = os.openpty()
print(os.ttyname(terminal), flush=True)
sys.stdin.readline()
os.set_blocking(master, False)
print(os.read(master, 4096).decode(), flush=True)`;
    const python = spawn('python3', ['-c', script]);
    try {
      const lines = createInterface(python.stdout)[Symbol.asyncIterator]();
      // Other terminals of this machine are none of the test's business.
      fs.symlinkSync(String((await lines.next()).value), path.join(folder, '7'));
      await new Terminals(fs.statSync(path.join(folder, '7')).uid, folder).print('Nobody works here.');
      python.stdin.end('\n');
      const printed: string[] = [];
      for await (const line of lines) printed.push(line);
      expect(printed.join('\n')).to.contain('[Berth] Nobody works here.');
    } finally {
      python.kill('SIGKILL');
    }
  });
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
