import fs from 'node:fs';
import { expect } from 'chai';
import type { SyncEngine } from '../../../../agent/sync/engine.js';
import type { FakeS3 } from '../../../fakes/s3.js';
import { Replica } from '../replica.js';
import { Editor } from './editor.js';
import type { Ledger } from './ledger.js';
import type { Life } from './life.js';
import { type Death } from './life.js';

/** Requests that one changed entry may cost: refused, looked at, kept beside, the other one fetched. */
const A_CHANGE = 4;
/** Names that are a file for one and a folder for the other cost some more. */
const SOME = 12;

/** A workspace in a world: a disk, the user at it, and one agent after the other. */
export class Member {
  readonly replica: Replica;
  readonly editor: Editor;
  life!: Life;
  /** The disk as it was when all of it was in the bucket, if nothing uncertain has happened since. */
  private synced: Map<string, string> | null = null;

  /** @param live - begins an agent's life */
  constructor(
    server: FakeS3,
    ledger: Ledger,
    now: () => number,
    private readonly live: (replica: Replica) => Life,
  ) {
    this.replica = new Replica(server, { now });
    this.editor = new Editor(this.replica, ledger);
  }

  /** A new agent on the same disk brings what is new in the bucket. */
  async start(death?: Death): Promise<void> {
    await this.open();
    if (death) await this.life.untilDeath(death, restore);
    else await restore(this.replica.engine);
  }

  /**
   * A new agent is told to stop with a request of its restore, and syncs a last time until it is told to give up.
   *
   * @param request - of the restore, counted from 1
   * @param deadline - request of the last sync, counted from 1
   */
  async stopEarly(request: number, deadline: number): Promise<void> {
    await this.open();
    await this.life.restoreUntil(request);
    await this.life.finalUntil(deadline);
  }

  private async open(): Promise<void> {
    this.synced = null;
    this.life = this.live(this.replica);
    this.replica.s3 = this.life.client;
    await this.replica.open();
  }

  /**
   * One cycle, which may cost so many requests as there were changes.
   *
   * @param undisturbed - nobody edits meanwhile, and the server does what it should
   * @param pull - brings what others changed first
   */
  async cycle(undisturbed: boolean, pull = false): Promise<void> {
    const { engine } = this.replica;
    if (pull) {
      await engine.pull();
      this.synced = null;
    }
    const before = this.life.client.calls.length;
    const look = this.look();
    const changes = this.synced && differences(this.synced, look);
    const { conflicts, downloaded } = engine.status();
    await engine.cycle();
    const requests = this.life.client.calls.length - before;
    const after = engine.status();
    const { error, pendingFiles, failed } = after;
    const clean = undisturbed && error === null && pendingFiles === 0 && failed === 0;
    if (clean && changes !== null)
      expect(requests, `requests for ${changes} changes`).to.be.at.most(
        changes === 0 ? 0 : A_CHANGE * changes + SOME,
      );
    // What a conflict moved out of the way, or another's change brought back, is the next cycle's.
    const settled = after.conflicts === conflicts && after.downloaded === downloaded;
    this.synced = clean && settled ? this.look() : null;
  }

  /** The state is gone, as with a new home on an old disk. */
  forget(): void {
    fs.rmSync(this.replica.stateDir, { recursive: true, force: true });
  }

  private look(): Map<string, string> {
    const tree = Object.entries(this.replica.tree());
    return new Map(
      tree.map(([name, content]) => [name, `${fs.lstatSync(this.replica.at(name)).mode} ${content}`]),
    );
  }
}

const restore = (engine: SyncEngine) => engine.restore(new AbortController().signal, () => undefined);

function differences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): number {
  const names = new Set([...a.keys(), ...b.keys()]);
  return [...names].filter((name) => a.get(name) !== b.get(name)).length;
}
