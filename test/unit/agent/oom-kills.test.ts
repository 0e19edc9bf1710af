import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { oomKills } from '../../../agent/oom-kills.js';

describe('agent: processes killed for want of memory', () => {
  const formats = {
    'cgroup v2': 'low 0\nhigh 0\nmax 70\noom 3\noom_kill 2\noom_group_kill 0\n',
    'cgroup v1': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
  };
  for (const [name, text] of Object.entries(formats)) {
    it(`are counted by ${name}`, () => {
      const folder = fs.mkdtempSync(path.join(tmpdir(), 'berth-oom-'));
      try {
        fs.writeFileSync(path.join(folder, 'counter'), text);
        expect(oomKills([path.join(folder, 'none'), path.join(folder, 'counter')])).to.equal(2);
      } finally {
        fs.rmSync(folder, { recursive: true });
      }
    });
  }

  it('are none where nobody counts', () => {
    expect(oomKills(['/nowhere'])).to.equal(0);
  });
});
