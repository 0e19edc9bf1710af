import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { isGitLock } from './git.js';

/** Says of an entry below the root whether the walk leaves it (and what is in it) out. */
export interface Rules {
  /**
   * @param entry - relative path
   * @param siblings - names of all that is in the same folder
   */
  leavesOut(entry: string, isFolder: boolean, siblings: readonly string[]): boolean;
  /** Called before each walk. */
  refresh?: () => void;
}

export const NO_RULES: Rules = { leavesOut: () => false };

/** The file at the root of a workspace that says what is not synced, in gitignore's syntax. */
export const IGNORE_FILE = '.berthignore';
/** Longer than anybody writes by hand; a larger one is not read. */
const MAX_IGNORE_BYTES = 256 * 1024;

const READ_ITSELF = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Folders that a tool makes anew from the lock file beside them. */
const REBUILT: Record<string, readonly string[]> = {
  node_modules: [
    'package-lock.json',
    'npm-shrinkwrap.json',
    'yarn.lock',
    'pnpm-lock.yaml',
    'bun.lock',
    'bun.lockb',
  ],
  '.venv': ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'pdm.lock'],
  venv: ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'pdm.lock'],
  target: ['Cargo.lock'],
  vendor: ['composer.lock'],
};

/** Whether a folder can be made anew from a lock file beside it. */
export function isRebuilt(name: string, siblings: readonly string[]): boolean {
  const locks = Object.hasOwn(REBUILT, name) ? REBUILT[name] : undefined;
  return locks?.some((lock) => siblings.includes(lock)) ?? false;
}

/** As git on Linux: `build` is not `BUILD`. */
const gitignore = () => ignore({ ignorecase: false });

/** Fixed patterns in gitignore's syntax. */
export function patternRules(patterns: readonly string[]): Rules {
  const matcher = gitignore().add([...patterns]);
  return { leavesOut: (entry, isFolder) => matcher.ignores(isFolder ? `${entry}/` : entry) };
}

/**
 * The rules of a workspace: what its `.berthignore` says, and by default what can be rebuilt beside its
 * lock file. `!node_modules/` in the file keeps even that. Git's locks are never kept.
 */
export class WorkspaceRules implements Rules {
  private matcher: Ignore = gitignore();
  private seen = '';

  constructor(private readonly root: string) {}

  /** Reads the file again if it changed. */
  refresh(): void {
    const { print, text } = this.read();
    if (print === this.seen) return;
    this.matcher = gitignore().add(text);
    this.seen = print;
  }

  private read(): { print: string; text: string } {
    let file: number | null = null;
    try {
      // Never through a link: the agent may read what the user may not.
      file = openSync(path.join(this.root, IGNORE_FILE), READ_ITSELF);
      const stat = fstatSync(file);
      if (!stat.isFile() || stat.size > MAX_IGNORE_BYTES) return { print: '', text: '' };
      const print = `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
      return { print, text: print === this.seen ? '' : readFileSync(file, 'utf8') };
    } catch {
      // Without a file only the default holds.
      return { print: '', text: '' };
    } finally {
      if (file !== null) closeSync(file);
    }
  }

  leavesOut(entry: string, isFolder: boolean, siblings: readonly string[]): boolean {
    if (entry === IGNORE_FILE) return false;
    if (isGitLock(entry)) return true;
    const { ignored, unignored } = this.matcher.test(isFolder ? `${entry}/` : entry);
    if (ignored || unignored) return ignored;
    return isFolder && isRebuilt(path.posix.basename(entry), siblings);
  }
}
