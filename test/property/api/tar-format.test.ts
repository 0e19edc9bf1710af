import { lstatSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { END_OF_TAR, headerOf, paddingOf, type TarEntry } from '../../../api/download/tar-format.js';
import { inTime } from '../../support/in-time.js';
import { untar } from '../../support/untar.js';

const RUNS = Number(process.env['BERTH_PROPERTY_RUNS'] ?? 60);
const TIMEOUT_MS = 60_000 + RUNS * 200;

/** Names that are legal on Linux, up to the longest. */
const name = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom('a', '/', ' ', '\n', 'ü', '=', '%', '\\'),
      minLength: 90,
      maxLength: 110,
    }),
    fc.constantFrom(
      'n'.repeat(99),
      'n'.repeat(100),
      'n'.repeat(101),
      'n'.repeat(255),
      '-x',
      '日本語'.repeat(28),
    ),
  )
  .map((text) => text.replaceAll(/[/\0]|^\.+$/g, '_'))
  .filter((text) => !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= 255);

const seconds = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 33 - 1 }),
  fc.integer({ min: 0, max: 2 ** 42 }).map((ms) => ms / 1000),
);

const entry = fc.record({
  names: fc.array(name, { minLength: 1, maxLength: 4 }),
  mode: fc.integer({ min: 0, max: 0o777 }),
  mtime: seconds,
  content: fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc.constantFrom(511, 512, 513).map((size) => new Uint8Array(size)),
  ),
  target: fc.option(name),
});

async function* archive(entries: (TarEntry & { content: Buffer })[]): AsyncGenerator<Buffer> {
  for (const { content, ...rest } of entries) yield* [headerOf(rest), content, paddingOf(rest.size)];
  yield END_OF_TAR;
}

describe('api: headers of an archive', function () {
  this.timeout(TIMEOUT_MS);

  it('carry any name, target, mode and time through the system’s tar', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 30 }), async (drawn) => {
        // Each in a folder of its own, so that no two are in each other's way.
        const entries = drawn.map(({ names, mode, mtime, content, target }, index) => ({
          path: [String(index), ...names].join('/'),
          ...{ mode, mtime },
          ...(target === null
            ? { kind: 'file' as const, size: content.length, content: Buffer.from(content) }
            : { kind: 'symlink' as const, size: 0, content: Buffer.alloc(0), target }),
        }));
        const folder = mkdtempSync(path.join(tmpdir(), 'berth-tar-'));
        try {
          await untar(archive(entries), folder);
          expect(readdirSync(folder)).to.have.lengthOf(entries.length);
          for (const expected of entries) {
            const full = path.join(folder, expected.path);
            const stat = lstatSync(full);
            expect(Math.abs(stat.mtimeMs - expected.mtime * 1000)).to.be.below(0.01);
            if (expected.kind === 'symlink') expect(readlinkSync(full)).to.equal(expected.target);
            else expect([stat.size, stat.mode & 0o7777]).to.deep.equal([expected.size, expected.mode]);
          }
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      }),
      { numRuns: RUNS, ...inTime(TIMEOUT_MS) },
    );
  });

  it('hold times that no header can hold as the nearest that it can', () => {
    const header = (mtime: number) => headerOf({ kind: 'file', path: 'f', mode: 0o644, size: 0, mtime });
    expect(header(-12.5)).to.deep.equal(header(0));
    expect(header(1e12)).to.deep.equal(header(0o77777777777));
  });

  it('are one block as long as that is enough', () => {
    const length = (path: string, mtime = 1) =>
      headerOf({ kind: 'file', path, mode: 0o644, size: 9e9, mtime }).length;
    expect(
      headerOf({ kind: 'file', path: `${'d'.repeat(150)}/${'f'.repeat(100)}`, mode: 0, size: 1, mtime: 1 }),
    ).to.have.lengthOf(512);
    expect(length('f')).to.equal(3 * 512);
    expect(headerOf({ kind: 'dir', path: 'd/', mode: 0o755, size: 0, mtime: 1.5 })).to.have.lengthOf(3 * 512);
  });
});
