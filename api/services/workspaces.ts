import type { Clock } from '../../shared/clock.js';
import { RecordConflictError } from '../../shared/errors.js';
import { type Desired, type DesiredSpec, type Resources } from '../../shared/model/desired.js';
import { durationMs } from '../../shared/model/duration.js';
import { ID_PATTERN, newUid, newWorkspaceId } from '../../shared/model/ids.js';
import type { HistoryEvent, Phase } from '../../shared/model/observed.js';
import type { HealthView, WorkspaceView } from '../../shared/model/view.js';
import type { Records } from '../../shared/store/records.js';
import { labelsFor, mayUse, sees, type KeyOwner } from '../auth/permissions.js';
import { Problem } from '../problem.js';
import type { Admission } from './admission.js';
import { waitFor, type ChangeHub } from './change-hub.js';
import { encodeCursor } from './cursor.js';
import { withDeletion, withStart } from './declarations.js';
import type { Facts, FactsReader } from './facts.js';
import { labelsForbidden, nameTaken, placeForbidden, startFailed } from './refusals.js';
import { etagOfView, ownObserved, selfOf, targetOf, viewOf, type ViewSettings } from './view.js';

/** Another writer may get in between a read and a write; this often it is tried anew. */
const WRITE_TRIES = 5;
/** Records read at a time by a list. */
const BATCH = 32;

export interface StartRequest {
  bucket: string;
  name?: string | undefined;
  prefix?: string | undefined;
  image: string;
  resources: Resources;
  pull: DesiredSpec['pull'];
  idle?: DesiredSpec['idle'];
  activity?: DesiredSpec['activity'];
  maxAge?: DesiredSpec['maxAge'];
  web?: DesiredSpec['web'];
  labels: Readonly<Record<string, string>>;
  createdBy: string;
}

/** A declaration that was just written. */
export interface Declared {
  id: string;
  uid: string | undefined;
  view: WorkspaceView;
}

export interface ListRequest {
  /** Of the living, those in these phases; or those in the archive. */
  status: ReadonlySet<Phase> | 'archived';
  bucket?: string | undefined;
  limit: number;
  /** List what follows this id. */
  after?: string | undefined;
}

export interface WaitRequest {
  seconds: number;
  signal: AbortSignal;
}

export interface WorkspacesOptions {
  records: Records;
  facts: FactsReader;
  admission: Admission;
  hub: ChangeHub;
  clock: Clock;
  settings: ViewSettings;
}

/** For whom something is done. */
type Caller = Pick<KeyOwner, 'labels' | 'buckets'>;

/** What can be done with workspaces: declarations are written, the rest is read and waited for. */
export class Workspaces {
  constructor(
    private readonly options: WorkspacesOptions,
    /** Only its workspaces are there. */
    private readonly caller: Caller = { labels: {} },
  ) {}

  /** The same, as far as somebody sees them. */
  as(caller: Caller): Workspaces {
    return new Workspaces(this.options, caller);
  }

  /**
   * Declares a new workspace.
   *
   * @throws Problem `BERTH_NAME_TAKEN`, `BERTH_CAPACITY`, `BERTH_FORBIDDEN`
   */
  async start(request: StartRequest): Promise<Declared> {
    const labels = labelsFor(this.caller, request.labels);
    if (labels === null) throw labelsForbidden(this.caller);
    if (!mayUse(this.caller, request.bucket, request.prefix ?? '')) throw placeForbidden(this.caller);
    for (let tries = 0; tries < WRITE_TRIES; tries++) {
      const id = request.name ?? newWorkspaceId();
      const facts = await this.options.facts.read(id);
      const ifMatch = this.vacancy(facts);
      if (ifMatch === undefined) {
        if (request.name === undefined) continue;
        throw nameTaken(id);
      }
      await this.options.admission.assertRoom(request.resources);
      const desired = this.declarationOf(id, { ...request, labels });
      const etag = await this.tryWrite(id, desired, ifMatch);
      if (etag === null) continue;
      const since = this.options.clock.now().toISOString();
      const view = this.view({ ...facts, desired: { kind: 'valid', value: desired, etag, since } });
      return { id, uid: desired.metadata.uid, view };
    }
    throw nameTaken(request.name ?? 'any');
  }

  /**
   * Waits until the declared workspace runs.
   *
   * @returns the view once it runs, or as it is when the time is over
   * @throws Problem `BERTH_START_FAILED` when it ended instead
   */
  async untilRunning({ id, uid, view }: Declared, wait: WaitRequest): Promise<WorkspaceView> {
    let latest = view;
    await this.wait(id, wait, async () => {
      const facts = await this.options.facts.read(id);
      const now = viewOf(facts, this.options.settings);
      if (now === null || isReplaced(facts, uid)) {
        throw startFailed('It was deleted before it ran.', { ...latest, status: 'stopped' });
      }
      latest = now;
      if (now.status === 'stopped') throw startFailed(now.message, now);
      return now.status === 'running' ? now : null;
    });
    return latest;
  }

  /**
   * Declares that a workspace shall end. Doing it twice is fine.
   *
   * @param discardUnsaved - its volumes go even if their files are not known to be in the bucket
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`
   */
  async delete(id: string, { discardUnsaved = false } = {}): Promise<Declared> {
    return this.change(id, (declared, facts) => {
      // Where a declaration was removed by hand, that already means that it shall end; but not what to discard.
      const lives = facts.archivedAt === undefined;
      const last = declared ?? (discardUnsaved && lives ? facts.observed?.declared : null);
      return last ? withDeletion(last, this.now(), discardUnsaved) : null;
    });
  }

  /**
   * Declares that a workspace shall run again, with the same id, URLs and files. One that is just being
   * stopped ends in order first; one that runs stays as it is.
   *
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`, `BERTH_CAPACITY`
   */
  async startAgain(id: string): Promise<Declared> {
    return this.change(id, async (declared, facts) => {
      const { status } = this.view(facts);
      if (declared !== null && (status === 'running' || status === 'starting')) return declared;
      // Its file was removed by hand: what it said last is what there is to start.
      const last = declared ?? facts.observed?.declared;
      if (!last)
        throw new Problem('BERTH_SPEC_INVALID', `There is no declaration of ${id} that could be started.`);
      await this.options.admission.assertRoom(last.spec.resources);
      return withStart(last, this.now());
    });
  }

  /**
   * Declares that a running workspace is not stopped for inactivity for some time from now on.
   *
   * @param time - a duration; what was granted before stays granted
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`, `BERTH_NOT_RUNNING`
   */
  async extend(id: string, time: string): Promise<Declared> {
    const until = new Date(this.now().getTime() + durationMs(time)).toISOString();
    return this.change(id, (declared, facts) => {
      const { status } = this.view(facts);
      if (declared === null || (status !== 'running' && status !== 'starting'))
        throw new Problem('BERTH_NOT_RUNNING', `${id} is ${status}; start it with POST ${selfOf(id)}/start.`);
      const granted = declared.spec.extendedUntil ?? until;
      const extendedUntil = granted > until ? granted : until;
      return { ...declared, spec: { ...declared.spec, extendedUntil } };
    });
  }

  /**
   * Ends all links and sessions by which it can be opened; new ones can be had at once.
   *
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`
   */
  async revokeAccess(id: string): Promise<Declared> {
    const accessRevokedAt = this.now().toISOString();
    return this.change(
      id,
      (declared) => declared && { ...declared, metadata: { ...declared.metadata, accessRevokedAt } },
    );
  }

  /**
   * Changes a declaration, whoever else writes to it meanwhile.
   *
   * @param decide - given what is declared (null: nothing); returns the same when there is nothing to change
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`, `BERTH_SPEC_INVALID`
   */
  private async change(
    id: string,
    decide: (declared: Desired | null, facts: Facts) => Desired | null | Promise<Desired | null>,
  ): Promise<Declared> {
    for (let tries = 0; tries < WRITE_TRIES; tries++) {
      const facts = await this.factsOf(id);
      const { desired } = facts;
      if (desired.kind === 'invalid') {
        throw new Problem(
          'BERTH_SPEC_INVALID',
          `The declaration of ${id} is broken and is not overwritten; mend the file, or remove it to delete the workspace: ${desired.problem.message}`,
        );
      }
      const before = desired.kind === 'valid' ? desired.value : null;
      const value = await decide(before, facts);
      if (value === null || value === before)
        return { id, uid: before?.metadata.uid, view: this.view(facts) };
      const etag = await this.tryWrite(id, value, desired.kind === 'valid' ? desired.etag : null);
      if (etag === null) continue;
      const since = desired.kind === 'valid' ? desired.since : this.now().toISOString();
      const view = this.view({ ...facts, desired: { kind: 'valid', value, etag, since } });
      return { id, uid: value.metadata.uid, view };
    }
    throw new RecordConflictError(id);
  }

  /** Waits until a deleted workspace is stopped; the view as it is when the time is over. */
  async untilStopped({ id, uid, view }: Declared, wait: WaitRequest): Promise<WorkspaceView> {
    let latest = view;
    await this.wait(id, wait, async () => {
      const facts = await this.options.facts.read(id);
      const now = viewOf(facts, this.options.settings);
      // Archived, or its name already belongs to a new workspace: either follows only after the end.
      latest = now === null || isReplaced(facts, uid) ? { ...latest, status: 'stopped' } : now;
      return latest.status === 'stopped' ? latest : null;
    });
    return latest;
  }

  /** @throws Problem `BERTH_WORKSPACE_UNKNOWN` */
  async get(id: string): Promise<{ view: WorkspaceView; etag: string }> {
    const facts = await this.factsOf(id);
    const view = this.view(facts);
    return { view, etag: etagOfView(facts, view) };
  }

  /**
   * What happened to a workspace, the newest last.
   *
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`
   */
  async events(id: string): Promise<HistoryEvent[]> {
    const facts = await this.factsOf(id);
    return ownObserved(facts)?.events ?? [];
  }

  /**
   * What the last health check found.
   *
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`
   */
  async health(id: string): Promise<HealthView> {
    return this.view(await this.factsOf(id)).health;
  }

  /**
   * Where the files of a workspace are.
   *
   * @throws Problem `BERTH_WORKSPACE_UNKNOWN`; `BERTH_SPEC_INVALID` when its declaration never was valid
   */
  async target(id: string): Promise<{ bucket: string; prefix: string }> {
    const target = targetOf(await this.factsOf(id), this.options.settings);
    if (target !== null) return target;
    throw new Problem('BERTH_SPEC_INVALID', `The declaration of ${id} is broken and names no bucket.`);
  }

  /** One page of workspaces, in the order of their ids. */
  async list(request: ListRequest): Promise<{ items: WorkspaceView[]; nextCursor: string | null }> {
    const { status, bucket, limit, after = '' } = request;
    const { facts } = this.options;
    const archived = status === 'archived';
    const source = archived
      ? await facts.archive()
      : { ids: await facts.ids(), read: (id: string) => facts.read(id) };
    const ids = source.ids.filter((id) => id > after);
    const found: WorkspaceView[] = [];
    // One more than asked for tells whether there is a next page.
    for (let start = 0; start < ids.length && found.length <= limit; start += BATCH) {
      const views = await Promise.all(
        ids.slice(start, start + BATCH).map((id) => this.viewOrNull(id, source.read)),
      );
      for (const view of views) {
        if (
          view &&
          (archived || status.has(view.status)) &&
          (bucket === undefined || view.bucketId === bucket)
        )
          found.push(view);
      }
    }
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, nextCursor: found.length > limit && last ? encodeCursor(last.containerId) : null };
  }

  /** The ETag a new declaration has to replace, null when there is none, undefined when the name is taken. */
  private vacancy(facts: Facts): string | null | undefined {
    const { desired } = facts;
    const ended = viewOf(facts, this.options.settings)?.status === 'stopped';
    if (desired.kind === 'absent') return facts.observed === null || ended ? null : undefined;
    if (desired.kind === 'invalid') return undefined;
    return ended && desired.value.metadata.deletionRequestedAt !== undefined ? desired.etag : undefined;
  }

  private declarationOf(id: string, request: StartRequest): Desired {
    const { bucket, prefix = '', labels, createdBy, name: _name, ...rest } = request;
    const createdAt = this.options.clock.now().toISOString();
    return {
      apiVersion: 'berth/v1',
      kind: 'Workspace',
      metadata: { id, uid: newUid(), labels, createdAt, createdBy },
      spec: { bucket, prefix, state: 'running', ...rest },
    };
  }

  /** @returns the new ETag, or null when somebody else wrote first */
  private async tryWrite(id: string, value: Desired, ifMatch: string | null): Promise<string | null> {
    try {
      return await this.options.records.desired.write(id, value, { ifMatch });
    } catch (error) {
      if (error instanceof RecordConflictError) return null;
      throw error;
    }
  }

  private async factsOf(id: string): Promise<Facts> {
    const facts = ID_PATTERN.test(id) ? await this.livingOrArchived(id) : null;
    if (facts === null || !sees(this.caller, this.view(facts).labels)) {
      throw new Problem('BERTH_WORKSPACE_UNKNOWN', `There is no workspace ${JSON.stringify(id)}.`);
    }
    return facts;
  }

  private async livingOrArchived(id: string): Promise<Facts | null> {
    const facts = await this.options.facts.read(id);
    if (viewOf(facts, this.options.settings) !== null) return facts;
    return this.options.facts.archived(id);
  }

  private now(): Date {
    return this.options.clock.now();
  }

  private view(facts: Facts): WorkspaceView {
    return viewOf(facts, this.options.settings) as WorkspaceView;
  }

  private async viewOrNull(
    id: string,
    read: (id: string) => Promise<Facts | null>,
  ): Promise<WorkspaceView | null> {
    try {
      const facts = await read(id);
      const view = facts && viewOf(facts, this.options.settings);
      return view !== null && sees(this.caller, view.labels) ? view : null;
    } catch (error) {
      this.options.facts.complainOf(id, error);
      return null;
    }
  }

  private wait<T>(id: string, { seconds, signal }: WaitRequest, check: () => Promise<T | null>) {
    const { hub, clock } = this.options;
    return waitFor(hub, id, check, { seconds, signal, clock });
  }
}

/** Whether the name belongs to another workspace by now. */
function isReplaced({ desired }: Facts, uid: string | undefined): boolean {
  return desired.kind === 'valid' && uid !== undefined && desired.value.metadata.uid !== uid;
}
