import { readFile, statfs } from 'node:fs/promises';
import type { HostMemory } from '../../shared/model/admission.js';
import type { SystemStatus } from '../../shared/model/system.js';
import type { Capacity } from '../ports/capacity.js';

const KIB = 1024;

interface CpuTimes {
  busy: number;
  total: number;
}

/** Reads the host's own figures; containers see the host's `/proc/meminfo` and `/proc/stat`. */
export class ProcfsCapacity implements Capacity {
  private last: CpuTimes = { busy: 0, total: 0 };

  /**
   * @param folder - the file system whose space is measured
   * @param proc - where procfs is
   */
  constructor(
    private readonly folder: string,
    private readonly proc = '/proc',
  ) {}

  async memory(): Promise<HostMemory> {
    const meminfo = await readFile(`${this.proc}/meminfo`, 'utf8');
    const totalBytes = kib(meminfo, 'MemTotal');
    // Page cache that can be given back at once is free memory.
    return { totalBytes, usedBytes: totalBytes - kib(meminfo, 'MemAvailable') };
  }

  async measure(): Promise<SystemStatus['host']> {
    const [memory, stat, disk] = await Promise.all([
      this.memory(),
      readFile(`${this.proc}/stat`, 'utf8'),
      statfs(this.folder),
    ]);
    const diskTotalBytes = disk.blocks * disk.bsize;
    return {
      cpus: (stat.match(/^cpu\d+ /gm) ?? []).length,
      cpuPercent: this.cpuPercent(stat),
      memoryTotalBytes: memory.totalBytes,
      memoryUsedBytes: memory.usedBytes,
      memoryPercent: percent(memory.usedBytes, memory.totalBytes),
      diskTotalBytes,
      diskUsedBytes: diskTotalBytes - disk.bfree * disk.bsize,
    };
  }

  private cpuPercent(stat: string): number {
    const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number);
    // user nice system idle iowait irq softirq steal; guest times are part of user's (proc(5)).
    const [idle = 0, iowait = 0] = fields.slice(3, 5);
    const total = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
    const now = { busy: total - idle - iowait, total };
    const used = percent(now.busy - this.last.busy, now.total - this.last.total);
    this.last = now;
    return used;
  }
}

function kib(meminfo: string, field: string): number {
  return Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0) * KIB;
}

function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.round((part / whole) * 1000) / 10;
}
