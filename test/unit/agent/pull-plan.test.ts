import { expect } from 'chai';
import type { EntryId } from '../../../shared/bucket/keys.js';
import type { RemoteEntry, RemoteView } from '../../../shared/bucket/view.js';
import type { Entry, WalkEntry } from '../../../agent/sync/entry.js';
import { planPull } from '../../../agent/sync/pull-plan.js';

const stat = { size: 1, mtimeNs: 1n, ctimeNs: 1n, ino: 1n, mode: 0o644 };
const known = (etag: string, more: Partial<Entry> = {}): Entry => ({
  ...{ kind: 'file', etag, md5: '', ...stat, readAtMs: 10_000 },
  ...more,
});
const local = (id: EntryId, more: Partial<WalkEntry> = {}): [EntryId, WalkEntry] => [
  id,
  { id, kind: 'file', ...stat, ...more },
];
const remote = (id: EntryId, etag: string): RemoteEntry => ({ id, key: id, etag, size: 1 });
const viewWith = (...entries: RemoteEntry[]): RemoteView => ({
  entries: new Map(entries.map((entry) => [entry.id, entry])),
  hidden: [],
  refused: [],
});

describe('agent: what to take over from others', () => {
  it('is what changed there and not here', () => {
    const plan = planPull(
      viewWith(remote('same', 'e'), remote('changed', 'new'), remote('dirty', 'new'), remote('added', 'e')),
      new Map([
        ['same', known('e')],
        ['changed', known('old')],
        ['dirty', known('old')],
        ['removed', known('e')],
        ['removed, dirty', known('e')],
        ['removed, just read', known('e', { readAtMs: 1 })],
      ]),
      new Map([
        ...[local('same'), local('changed'), local('dirty', { size: 2 }), local('removed')],
        ...[local('removed, dirty', { mtimeNs: 2n }), local('removed, just read')],
      ]),
    );
    expect(plan.replace.map(({ remote: { id } }) => id)).to.deep.equal(['changed']);
    expect(plan.fetch.map(({ id }) => id)).to.deep.equal(['added']);
    expect(plan.remove.map(({ id }) => id)).to.deep.equal(['removed']);
  });

  it('is nothing that was deleted here, made here, or has no place', () => {
    const view = viewWith(remote('deleted here', 'new'), remote('made here', 'e'));
    view.hidden = ['hidden'];
    const plan = planPull(
      view,
      new Map([
        ['deleted here', known('old')],
        ['hidden', known('e')],
      ]),
      new Map([local('made here'), local('hidden')]),
    );
    expect({ ...plan }).to.deep.equal({
      remove: [],
      forget: [],
      fetch: [],
      replace: [],
      folders: [],
    });
  });

  it('is never the end of all files, nor of most', () => {
    const many = Array.from({ length: 300 }, (_, n) => `f${n}`);
    const state = new Map(many.map((id) => [id, known('e')]));
    const disk = new Map(many.map((id) => local(id)));
    expect(planPull(viewWith(), new Map([['one', known('e')]]), new Map([local('one')]))).to.deep.include({
      remove: [],
      forget: ['one'],
    });
    const most = planPull(viewWith(...many.slice(200).map((id) => remote(id, 'e'))), state, disk);
    expect(most).to.deep.include({ remove: [], forget: many.slice(0, 200) });
    const some = planPull(viewWith(...many.slice(100).map((id) => remote(id, 'e'))), state, disk);
    expect(some.remove).to.have.lengthOf(100);
  });
});
