import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import fc from 'fast-check';
import type { S3Port } from '../../../shared/s3/s3-port.js';
import { S3Error } from '../../../shared/s3/s3-error.js';
import { FakeS3, type Fault } from '../../fakes/s3.js';
import { Replica } from '../../support/agent/replica.js';

const RUNS = Number(process.env.BERTH_PROPERTY_RUNS ?? 60);
const PATHS = ['a', 'b.txt', 'd/x', 'd/y', 'd', 'deep/er/z'];

type Step =
  | { do: 'write' | 'delete'; who: 0 | 1; path: string }
  | { do: 'sync' | 'restart' | 'crash'; who: 0 | 1 }
  | { do: 'fault'; fault: 'none' | 'dropBefore' | 'dropAfter' | 'error' };

const who = fc.constantFrom(0 as const, 1 as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), who, path: fc.constantFrom(...PATHS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('delete' as const), who, path: fc.constantFrom(...PATHS) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('sync' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'crash' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom('none' as const, 'dropBefore' as const, 'dropAfter' as const, 'error' as const),
    }),
  },
);

/** Two workspaces on one bucket, and a witness that watches every write. */
class World {
  readonly s3 = new FakeS3();
  readonly seen = [new Set<string>(), new Set<string>()] as const;
  readonly replicas: [Replica, Replica];
  /** Contents that were replaced or removed by somebody who had never seen them. */
  readonly lost: string[] = [];
  private contents = 0;
  private requests = 0;
  fault: Extract<Step, { do: 'fault' }>['fault'] = 'none';

  constructor() {
    this.replicas = [new Replica(this.eyesOf(0)), new Replica(this.eyesOf(1))];
    this.s3.fault = () => this.nextFault();
  }

  /** Every content is unique, and so is its length: no change hides behind equal time stamps. */
  newContent(): string {
    this.contents += 1;
    return `${this.contents}:`.padEnd(10 + this.contents, '.');
  }

  private nextFault(): Fault {
    this.requests += 1;
    if (this.fault === 'none' || this.requests % 3 !== 0) return null;
    return this.fault === 'error' ? new S3Error('busy', 'SlowDown', 'later', 503) : this.fault;
  }

  private eyesOf(index: 0 | 1): S3Port {
    const { s3, seen } = this;
    const mine = seen[index];
    const witness = (key: string, after: string | undefined) => {
      const before = s3.text(key);
      return () => {
        // Folder markers have no content that could be lost.
        const changed = before !== undefined && before !== '' && s3.text(key) === after && before !== after;
        if (changed && !mine.has(before)) this.lost.push(`${key}: ${before}`);
      };
    };
    return new Proxy<S3Port>(s3, {
      get: (target, name: keyof S3Port) => {
        if (name === 'put') {
          return async (...args: Parameters<S3Port['put']>) => {
            const content = args[1].toString();
            mine.add(content);
            const check = witness(args[0], content);
            return target.put(...args).finally(check);
          };
        }
        if (name === 'remove') {
          return async (...args: Parameters<S3Port['remove']>) => {
            const check = witness(args[0], undefined);
            return target.remove(...args).finally(check);
          };
        }
        if (name === 'get') {
          return async (...args: Parameters<S3Port['get']>) => {
            const object = await target.get(...args);
            const body = await buffer(object.body);
            mine.add(body.toString());
            return { ...object, body: Readable.from(body.length === 0 ? [] : [body]) };
          };
        }
        return (...args: unknown[]) => (target[name] as (...given: unknown[]) => unknown).apply(target, args);
      },
    });
  }
}

async function perform(world: World, todo: Step): Promise<void> {
  if (todo.do === 'fault') {
    world.fault = todo.fault;
    return;
  }
  const replica = world.replicas[todo.who];
  switch (todo.do) {
    case 'write':
      return write(replica, todo.path, world.newContent());
    case 'delete':
      // With a file in place of its folder there is nothing to delete.
      if (fs.existsSync(replica.at(todo.path))) fs.rmSync(replica.at(todo.path), { recursive: true });
      return;
    case 'sync':
      await replica.engine.cycle();
      return;
    case 'restart':
      await replica.start();
      return;
    case 'crash': {
      // Whatever the state on the disk says is older than what the bucket and the folder have.
      const file = `${replica.stateDir}/state.json`;
      const before = fs.existsSync(file) ? fs.readFileSync(file) : null;
      await replica.engine.cycle();
      if (before) fs.writeFileSync(file, before);
      await replica.start();
    }
  }
}

function write(replica: Replica, name: string, content: string): void {
  const file = replica.at(name);
  const parent = path.dirname(file);
  if (fs.existsSync(parent) && !fs.statSync(parent).isDirectory()) fs.rmSync(parent);
  if (fs.existsSync(file) && fs.statSync(file).isDirectory()) fs.rmSync(file, { recursive: true });
  fs.mkdirSync(parent, { recursive: true });
  fs.writeFileSync(file, content);
}

/** A file whose name others need for a folder stays in the bucket only (and the log says so). */
const isInTheWay = (key: string, s3: FakeS3) =>
  [...s3.objects.keys()].some((other) => other.startsWith(`${key}/`));

const filesOf = (replica: Replica) => Object.values(replica.tree()).filter((content) => content !== '<dir>');

describe('agent: two replicas on one bucket', function () {
  this.timeout(120_000);

  it('never replace or remove what they have not seen, keep every unsent change, and agree in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const world = new World();
        try {
          for (const replica of world.replicas) await replica.start();
          for (const todo of steps) await perform(world, todo);
          world.fault = 'none';
          for (const replica of world.replicas) {
            const onDisk = filesOf(replica);
            const { exitCode } = await replica.engine.final(Date.now() + 20_000, true);
            expect(exitCode).to.equal(0);
            const everSent = new Set([...world.seen[0], ...world.seen[1]]);
            expect(onDisk.filter((content) => !everSent.has(content))).to.deep.equal([]);
          }
          for (const replica of [...world.replicas, ...world.replicas]) {
            await replica.start();
            await replica.engine.cycle();
          }
          expect(world.lost).to.deep.equal([]);
          const inBucket = [...world.s3.objects]
            .filter(([key]) => !key.startsWith('.berth/') && !isInTheWay(key, world.s3))
            .map(([, object]) => object.body.toString());
          for (const replica of world.replicas)
            expect(filesOf(replica).sort()).to.deep.equal([...inBucket].sort());
          expect(world.replicas[0].tree()).to.deep.equal(world.replicas[1].tree());
        } finally {
          world.replicas.forEach((replica) => replica.dispose());
        }
      }),
      { numRuns: RUNS },
    );
  });
});
