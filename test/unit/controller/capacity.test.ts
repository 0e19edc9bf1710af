import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { ProcfsCapacity } from '../../../controller/adapters/procfs-capacity.js';
import { Promises } from '../../../controller/reconcile/promises.js';
import { CpuWarning } from '../../../controller/runtime/cpu-warning.js';
import { freeBytes, memoryPressure, startBytes } from '../../../shared/model/admission.js';

const MIB = 1024 ** 2;

describe('capacity', () => {
  it('leaves what is below the limit, less what is promised', () => {
    const memory = { totalBytes: 1000, usedBytes: 500 };
    expect(freeBytes(memory, 0, 90)).to.equal(400);
    expect(freeBytes(memory, 150, 90)).to.equal(250);
    expect(freeBytes({ ...memory, usedBytes: 950 }, 0, 90)).to.equal(0);
  });

  it('refuses exactly from the limit on', () => {
    expect(memoryPressure(400, 400, 90)).to.equal(null);
    expect(memoryPressure(401, 400, 90)).to.be.a('string');
  });

  it('a start needs what an IDE takes, but no more than it may', () => {
    expect(startBytes({ memoryBytes: 4096 * MIB })).to.equal(256 * MIB);
    expect(startBytes({ memoryBytes: 128 * MIB })).to.equal(128 * MIB);
  });

  it('promises hold for the others until they are kept', () => {
    const promises = new Promises();
    promises.promise('a', 1);
    promises.promise('a', 2);
    promises.promise('b', 4);
    expect([promises.toOthers('a'), promises.toOthers('b'), promises.total]).to.deep.equal([4, 2, 6]);
    promises.release('b');
    expect(promises.total).to.equal(2);
  });

  it('the warning of a busy CPU neither comes nor goes at once', () => {
    const warning = new CpuWarning();
    const after = (...percents: number[]) => percents.map((percent) => warning.next(percent));
    expect(after(95, 95, 50)).to.deep.equal([false, false, false]);
    expect(after(95, 90, 99)).to.deep.equal([false, false, true]);
    expect(after(85, 81, 85, 79, 79, 85)).to.deep.equal([true, true, true, true, true, true]);
    expect(after(79, 10, 10)).to.deep.equal([true, true, false]);
  });

  it('reads the figures of the host', async () => {
    const folder = fs.mkdtempSync(path.join(tmpdir(), 'berth-proc-'));
    try {
      fs.writeFileSync(
        path.join(folder, 'meminfo'),
        'MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n',
      );
      fs.writeFileSync(path.join(folder, 'stat'), 'cpu  30 0 20 40 10 0 0 0 0 0\ncpu0 1\ncpu1 1\n');
      const capacity = new ProcfsCapacity(tmpdir(), folder);
      expect(await capacity.memory()).to.deep.equal({ totalBytes: 1000 * 1024, usedBytes: 750 * 1024 });
      expect(await capacity.measure()).to.deep.include({ cpus: 2, cpuPercent: 50, memoryPercent: 75 });
      expect((await new ProcfsCapacity(tmpdir()).memory()).totalBytes).to.be.greaterThan(0);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
