import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import winston from 'winston';
import { DiskWatch } from '../../../agent/disk-watch.js';
import { diskTrouble } from '../../../shared/model/disk.js';
import { GIB } from '../../../shared/model/desired.js';
import { eventually } from '../../support/swarm.js';

const MIB = 1024 ** 2;

describe('The use of the disk', function () {
  // It is added up with the least of priorities.
  this.timeout(70_000);

  it('is too much above the share, and when the server has next to nothing left', () => {
    const disk = { usedBytes: 3 * GIB, limitBytes: 3 * GIB, freeBytes: 50 * GIB };
    expect(diskTrouble(disk)).to.equal(null);
    expect(diskTrouble({ ...disk, usedBytes: 3 * GIB + 1 })?.reason).to.equal('OverLimit');
    expect(diskTrouble({ ...disk, usedBytes: 900 * GIB, limitBytes: null })).to.equal(null);
    const full = diskTrouble({ ...disk, freeBytes: GIB / 2 });
    expect(full?.reason).to.equal('ServerFull');
    expect(full?.message).to.contain('0.5 GiB are left');
  });

  describe('is added up', () => {
    let folder: string;
    const told: (string | null)[] = [];
    const watch = (limitBytes: number | null) =>
      new DiskWatch({
        folders: [folder, path.join(folder, 'missing')],
        limitBytes,
        onChange: (trouble) => told.push(trouble),
        log: winston.createLogger({ silent: true }),
        intervalMs: 20,
      });
    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'berth-disk-'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    it('again and again, and each change for better or worse is told once', async () => {
      const disk = watch(2 * MIB);
      disk.start();
      try {
        await eventually('a first look', async () => disk.disk !== null);
        expect(disk.disk?.usedBytes).to.be.below(MIB);
        expect(disk.disk?.freeBytes).to.be.above(0);
        const file = path.join(folder, 'large');
        await writeFile(file, Buffer.alloc(3 * MIB, 'x'));
        await eventually('it is told', async () => told.length === 1);
        expect(told[0]).to.contain('remove what you do not need');
        await rm(file);
        await eventually('its end is told', async () => told.length === 2);
        expect(told[1]).to.equal(null);
      } finally {
        await disk.stop();
      }
    });

    it('no longer than somebody wants to know', async () => {
      const du = path.join(folder, 'du');
      await writeFile(du, '#!/bin/sh\necho > "$0.begun"\nexec sleep 60\n', { mode: 0o755 });
      const { PATH } = process.env;
      process.env.PATH = `${folder}:${PATH}`;
      try {
        const disk = watch(null);
        disk.start();
        await eventually('a look', async () => existsSync(`${du}.begun`));
        await disk.stop();
        expect(disk.disk).to.equal(null);
      } finally {
        process.env.PATH = PATH;
      }
    });
  });
});
