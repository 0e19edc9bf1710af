import fs from 'node:fs';
import path from 'node:path';
import type { Replica } from '../replica.js';
import type { Ledger } from './ledger.js';

export type Edit =
  | { edit: 'write' | 'append' | 'link' | 'delete' | 'mkdir' | 'rmdir'; path: string }
  | { edit: 'chmod'; path: string; mode: number }
  | { edit: 'rename'; path: string; to: string };

/** A user at a replica's disk. Whatever is in the way of an edit is removed first, and the ledger knows. */
export class Editor {
  constructor(
    private readonly replica: Replica,
    private readonly ledger: Ledger,
  ) {}

  perform(edit: Edit): void {
    const at = this.replica.at(edit.path);
    switch (edit.edit) {
      case 'write':
        this.makeRoom(edit.path);
        return fs.writeFileSync(at, this.ledger.next());
      case 'link':
        this.makeRoom(edit.path);
        return fs.symlinkSync(this.ledger.next('nowhere'), at);
      case 'append':
        return this.append(edit.path);
      case 'delete':
        return this.clear(edit.path);
      case 'mkdir':
        if (kindOf(at) === 'file') this.clear(edit.path);
        this.makeParents(edit.path);
        return void fs.mkdirSync(at, { recursive: true });
      case 'rmdir':
        if (kindOf(at) === 'folder' && fs.readdirSync(at).length === 0) fs.rmdirSync(at);
        return;
      case 'chmod':
        if (kindOf(at) !== null && !fs.lstatSync(at).isSymbolicLink()) fs.chmodSync(at, edit.mode);
        return;
      case 'rename':
        return this.rename(edit.path, edit.to);
    }
  }

  private append(name: string): void {
    const at = this.replica.at(name);
    if (kindOf(at) !== 'file' || fs.lstatSync(at).isSymbolicLink()) return;
    const before = fs.readFileSync(at, 'utf8');
    const after = this.ledger.next(before);
    fs.appendFileSync(at, after.slice(before.length));
    this.ledger.drop(name, before);
  }

  private rename(from: string, to: string): void {
    const source = this.replica.at(from);
    if (kindOf(source) === null || from === to || isWithin(from, to) || isWithin(to, from)) return;
    this.makeRoom(to);
    for (const [name, content] of this.contents(from)) this.ledger.leave(name, content);
    fs.renameSync(source, this.replica.at(to));
  }

  /** Nothing has the name, and its folder is there. */
  private makeRoom(name: string): void {
    this.clear(name);
    this.makeParents(name);
  }

  private makeParents(name: string): void {
    const parents = name.split('/').slice(0, -1);
    parents.forEach((_, depth) => {
      const parent = parents.slice(0, depth + 1).join('/');
      if (kindOf(this.replica.at(parent)) === 'file') this.clear(parent);
    });
    fs.mkdirSync(path.dirname(this.replica.at(name)), { recursive: true });
  }

  private clear(name: string): void {
    if (kindOf(this.replica.at(name)) === null) return;
    for (const [inside, content] of this.contents(name)) this.ledger.drop(inside, content);
    fs.rmSync(this.replica.at(name), { recursive: true });
  }

  /** Path and content of a file, or of all files in a folder. */
  private contents(name: string): [string, string][] {
    const all = contentsOf(this.replica);
    return all.filter(([inside]) => inside === name || isWithin(inside, name));
  }
}

/** Path and content of every file, and path and target of every link. */
export function contentsOf(replica: Replica): [string, string][] {
  const all = Object.entries(replica.tree()).filter(([, content]) => content !== '<dir>');
  return all.map(([name, content]) => [name, content.replace(/^-> /, '')]);
}

const isWithin = (name: string, folder: string) => name.startsWith(`${folder}/`);

/** What has the name; null for nothing, also when a file is in the place of its folder. */
function kindOf(at: string): 'file' | 'folder' | null {
  try {
    return fs.lstatSync(at).isDirectory() ? 'folder' : 'file';
  } catch {
    return null;
  }
}
