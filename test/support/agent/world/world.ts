import { S3Error } from '../../../../shared/s3/s3-error.js';
import { FakeS3, type Fault } from '../../../fakes/s3.js';
import { Ledger } from './ledger.js';
import { Life } from './life.js';
import { Member } from './member.js';
import type { FaultKind, Step } from './story.js';
import { Traffic } from './traffic.js';

const FAULTS: Record<FaultKind, Fault> = {
  none: null,
  slow: null,
  away: 'dropBefore',
  dropBefore: 'dropBefore',
  dropAfter: 'dropAfter',
  conflict: new S3Error('busy', 'OperationAborted', 'somebody else is at it', 409),
  broken: new S3Error('server', 'InternalError', 'try again', 500),
  busy: new S3Error('busy', 'SlowDown', 'later', 503),
};
/** Ticks by which a leg may be late on a slow way. */
const SLOW = 12;
const WAIT_MS = 3_000;
/** Requests that a fault may befall; a start tries again and again, and would meet it for ever. */
const MAX_HITS = 30;
const NEVER = new AbortController().signal;

/** Workspaces on one bucket, with a witness at the server who remembers what each of them has seen. */
export class World {
  readonly server = new FakeS3();
  readonly ledger = new Ledger();
  readonly members: Member[];
  /** Contents that an agent replaced or removed without ever having had them. */
  readonly lost: string[] = [];
  private readonly traffic: Traffic;
  private fault: FaultKind = 'none';
  private every = 1;
  private requests = 0;
  private hits = 0;
  private aheadMs = 0;
  private readonly began = Date.now() - performance.now();

  /** @param heeds - which conditions the server looks at; by default all */
  constructor(
    count: number,
    turns: readonly number[],
    private readonly heeds: FakeS3['heeds'] = () => true,
  ) {
    this.traffic = new Traffic(turns);
    this.members = Array.from({ length: count }, () => {
      const live = this.livesOf(new Set<string>());
      return new Member(this.server, this.ledger, this.now, live);
    });
  }

  /** Near the clock of the files, which is the machine's, but nobody sets it while a story is told. */
  now = (): number => this.began + performance.now() + this.aheadMs;

  async perform(step: Step): Promise<void> {
    switch (step.do) {
      case 'edit':
        return this.member(step.who).editor.perform(step);
      case 'sync':
        return this.sync(step);
      case 'restart':
        return this.start(this.member(step.who));
      case 'forget':
        this.member(step.who).forget();
        return this.start(this.member(step.who));
      case 'die':
        return this.die(step);
      case 'stopEarly':
        return this.stopEarly(this.member(step.who), step.request, step.deadline);
      case 'fault':
        return this.setFault(step.fault, step.every);
      case 'wait':
        this.aheadMs += WAIT_MS;
    }
  }

  /** The server answers as it should from now on, and what was on its way has come. */
  async calm(): Promise<void> {
    this.setFault('none');
    await this.traffic.idle();
  }

  dispose(): void {
    for (const { replica } of this.members) replica.dispose();
  }

  private setFault(fault: FaultKind, every = 1): void {
    this.fault = fault;
    this.hits = 0;
    this.every = fault === 'away' ? 1 : every;
    this.traffic.delay = fault === 'slow' ? SLOW : 0;
  }

  private member(who: number): Member {
    const member = this.members[who];
    if (!member) throw new Error(`there is no member ${who}`);
    return member;
  }

  private async start(member: Member): Promise<void> {
    // A start waits until the server is back.
    if (this.fault === 'away') this.setFault('none');
    await member.start();
  }

  private async stopEarly(member: Member, request: number, deadline: number): Promise<void> {
    if (this.fault === 'away') this.setFault('none');
    await member.stopEarly(request, deadline);
    await this.start(member);
  }

  private async sync({ who, pull, edits }: Extract<Step, { do: 'sync' }>): Promise<void> {
    let moved = 0;
    const waiting = new Set(edits);
    const editThose = (due: (after: number) => boolean) => {
      for (const edit of [...waiting].filter(({ after }) => due(after))) {
        waiting.delete(edit);
        if (edit.edit === 'rename') this.leaveOnTheWay(edit.path);
        this.member(edit.who).editor.perform(edit);
      }
    };
    this.traffic.moved = () => {
      moved += 1;
      editThose((after) => after <= moved);
    };
    const undisturbed = edits.length === 0 && this.fault === 'none';
    await Promise.all(who.map((one) => this.member(one).cycle(undisturbed, pull)));
    this.traffic.moved = () => undefined;
    editThose(() => true);
  }

  /** What is just being brought into a folder goes along when the folder gets another name. */
  private leaveOnTheWay(folder: string): void {
    for (const [key, { body }] of this.server.objects)
      if (key.startsWith(`${folder}/`)) this.ledger.leave(key, body.toString());
  }

  private async die({ who, while: work, death }: Extract<Step, { do: 'die' }>): Promise<void> {
    const member = this.member(who);
    if (work === 'restore') await member.start(death);
    else
      await member.life.untilDeath(death, (engine) =>
        work === 'final' ? engine.final(NEVER) : engine[work](),
      );
    await this.start(member);
  }

  /** Agents of one member, one after the other; what one has seen the next has too. */
  private livesOf(seen: Set<string>): (replica: Member['replica']) => Life {
    return (replica) => {
      const life = new Life(this.server, replica, this.traffic);
      life.client.fault = () => this.nextFault();
      life.client.heeds = this.heeds;
      life.client.carriedOut = ({ method, key }, before, after) => {
        const [was, is] = [before?.body.toString(), after?.body.toString()];
        if (method === 'get' && was !== undefined) seen.add(was);
        if (method === 'put' && is !== undefined) seen.add(is);
        // Folder markers have no content that could be lost.
        if (was !== undefined && was !== '' && was !== is && !seen.has(was)) this.lost.push(`${key}: ${was}`);
      };
      return life;
    };
  }

  private nextFault(): Fault {
    this.requests += 1;
    if (this.requests % this.every !== 0 || this.hits >= MAX_HITS) return null;
    this.hits += 1;
    return FAULTS[this.fault];
  }
}
