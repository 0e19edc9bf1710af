import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { conflictPath } from '../../../agent/sync/conflict-name.js';
import { diff, needsMarker } from '../../../agent/sync/diff.js';
import type { Entry, WalkEntry } from '../../../agent/sync/entry.js';
import { decodeKey, encodePath, idOf, isDirId } from '../../../shared/bucket/keys.js';
import { fromMetadata, toMetadata } from '../../../shared/bucket/metadata.js';
import { LocalState, StateFile } from '../../../agent/sync/state.js';
import type { WalkResult } from '../../../agent/sync/walk.js';

const component = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.constantFrom('.berth', '.uploads', 'x.versions', '%41', 'a\\b', '%2E', '.git', '%', '%%41'),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && !/\p{Surrogate}/u.test(name));
const anyPath = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

describe('agent: properties of the sync engine’s parts', () => {
  it('every path comes back from its key', () => {
    fc.assert(
      fc.property(anyPath, (name) => {
        const key = encodePath(name);
        expect(decodeKey(key)).to.equal(name);

        expect(key).not.to.match(/[\\\u0000-\u001f]/);
      }),
    );
  });

  it('two paths never share a key', () => {
    fc.assert(
      fc.property(anyPath, anyPath, (a, b) => {
        fc.pre(a !== b);
        expect(encodePath(a)).not.to.equal(encodePath(b));
      }),
    );
  });

  it('two keys never become one path', () => {
    fc.assert(
      fc.property(anyPath, anyPath, (a, b) => {
        const canonical = (key: string) => encodePath(decodeKey(key)) === key;
        fc.pre(a !== b && canonical(a) && canonical(b));
        expect(decodeKey(a)).not.to.equal(decodeKey(b));
      }),
    );
  });

  it('a conflict name stays in its folder, fits, is marked once, and differs from the name', () => {
    const long = fc.string({ unit: 'binary', minLength: 1, maxLength: 255 });
    const name = fc.oneof(
      component,
      long.filter((text) => encodable(text)),
    );
    fc.assert(
      fc.property(fc.option(anyPath), name, fc.integer({ min: 1, max: 12 }), (folder, base, attempt) => {
        const from = folder === null ? base : `${folder}/${base}`;
        const at = new Date('2026-11-24T08:15:00.123Z');
        const copy = conflictPath(from, at, '1a2b3c4d', attempt);
        expect(path.posix.dirname(copy)).to.equal(path.posix.dirname(from));
        expect(Buffer.byteLength(path.posix.basename(copy))).to.be.at.most(255);
        expect(copy.match(/\.conflict-/g)).to.have.lengthOf(1);
        expect(conflictPath(copy, at, 'ffffffff').match(/\.conflict-/g)).to.have.lengthOf(1);
        expect(copy).not.to.equal(from);
      }),
    );
  });

  const stat = fc.record({
    size: fc.nat(),
    mtimeNs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    ctimeNs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    ino: fc.bigInt({ min: 1n, max: 2n ** 40n }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
  });
  const kind = fc.constantFrom('file' as const, 'symlink' as const, 'dir' as const);

  it('metadata carries kind and mode, and the time to the microsecond', () => {
    fc.assert(
      fc.property(kind, stat, (what, of) => {
        const meta = fromMetadata(toMetadata(what, of, '', { replica: '1a2b3c4d', key: 'a' }));
        expect(meta).to.include({ kind: what, mode: of.mode, replica: '1a2b3c4d', md5: null });
        expect(Math.abs((meta.mtime ?? NaN) - Number(of.mtimeNs) / 1e9)).to.be.below(1e-6);
      }),
    );
  });

  const walkEntry = fc
    .tuple(fc.constantFrom('a', 'b', 'a/b', 'c/d', 'c'), kind, stat, fc.boolean())
    .map(([name, what, of, empty]): WalkEntry => ({ id: idOf(name, what), kind: what, ...of, empty }));

  it('what was recorded as seen makes no work; every entry is judged exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(walkEntry), fc.array(walkEntry), async (recorded, present) => {
        const state = new Map<string, Entry>(
          recorded.map((entry) => [entry.id, { ...entry, etag: 'e', md5: 'm', readAtMs: 1e16 }]),
        );
        const seen = walkOf(present);
        const result = await diff(state, seen, Infinity);
        const relevant = [...seen.entries.values()].filter(
          (entry) => entry.kind !== 'dir' || needsMarker(entry),
        );
        const judged = [...result.puts, ...result.dirs, ...result.racy];
        expect(judged.length + result.unchanged).to.equal(relevant.length);
        for (const id of result.deletes) {
          expect(state.has(id)).to.equal(true);
          expect(relevant.some((entry) => entry.id === id)).to.equal(false);
        }
        const quiet = await diff(
          state,
          walkOf([...state.values()].map((e, i) => asWalk(e, [...state.keys()][i]!))),
          0,
        );
        expect(quiet.puts).to.deep.equal([]);
        expect(quiet.deletes.filter((id) => !isDirId(id))).to.deep.equal([]);
      }),
    );
  });

  it('a state comes back from its file', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'berth-state-'));
    try {
      const file = new StateFile(folder);
      await fc.assert(
        fc.asyncProperty(
          fc.array(walkEntry),
          fc.boolean(),
          fc.bigInt({ min: 0n }),
          async (all, complete, ino) => {
            const state = new LocalState('1a2b3c4d', { dev: 7n, ino, birthtimeNs: 9n }, complete);
            for (const { id, kind: what, size, mtimeNs, ctimeNs, ino: node, mode } of all)
              state.set(id, {
                ...{ kind: what, size, mtimeNs, ctimeNs, ino: node, mode },
                ...{ etag: 'e', md5: '', readAtMs: 5 },
              });
            await file.save(state);
            const loaded = await file.load();
            expect(loaded?.entries).to.deep.equal(state.entries);
            expect(loaded).to.deep.include({ replica: '1a2b3c4d', identity: state.identity, complete });
            expect(state.dirty).to.equal(false);
          },
        ),
        { numRuns: 30 },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function encodable(name: string): boolean {
  try {
    encodePath(name);
    return !/[/\0]/.test(name) && name !== '.' && name !== '..' && Buffer.byteLength(name) <= 255;
  } catch {
    return false;
  }
}

function asWalk(entry: Entry, id: string): WalkEntry {
  const { kind, size, mtimeNs, ctimeNs, ino, mode } = entry;
  return { id, kind, size, mtimeNs, ctimeNs, ino, mode, empty: true };
}

function walkOf(entries: WalkEntry[]): WalkResult {
  return {
    root: { dev: 1n, ino: 2n, birthtimeNs: 3n },
    entries: new Map(entries.map((entry) => [entry.id, entry])),
    unreadable: new Map(),
    leftOut: [],
    leftovers: [],
    special: 0,
    hardLinks: 0,
    unnameable: new Map(),
  };
}
