import { readdir, readFile, stat } from 'node:fs/promises';

/** Clock ticks a second, as Linux shows them to programs on every architecture. */
const TICKS = 100;

/**
 * CPU time of a user's processes and of those they have waited for, in seconds.
 *
 * @param proc - where procfs is
 */
export async function cpuSeconds(uid: number, proc = '/proc'): Promise<number | null> {
  const names = await readdir(proc).catch((): string[] => []);
  const times = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => ticksOf(`${proc}/${name}`, uid)),
  );
  return names.length === 0 ? null : times.reduce((sum, ticks) => sum + ticks, 0) / TICKS;
}

/** A process that ends while it is looked at has none. */
async function ticksOf(folder: string, uid: number): Promise<number> {
  try {
    if ((await stat(folder)).uid !== uid) return 0;
    const text = await readFile(`${folder}/stat`, 'utf8');
    // The name may hold anything; after its last bracket fields 3, 4, … follow (proc(5)): 14–17 are times.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  } catch {
    return 0;
  }
}

/** Bytes that went through all network interfaces but the loopback one, both ways. */
export async function networkBytes(proc = '/proc'): Promise<number | null> {
  const text = await readFile(`${proc}/net/dev`, 'utf8').catch(() => null);
  if (text === null) return null;
  let bytes = 0;
  for (const line of text.split('\n').slice(2)) {
    const [name, counters] = line.split(':');
    if (counters === undefined || name?.trim() === 'lo') continue;
    const columns = counters.trim().split(/\s+/).map(Number);
    bytes += (columns[0] ?? 0) + (columns[8] ?? 0);
  }
  return bytes;
}
