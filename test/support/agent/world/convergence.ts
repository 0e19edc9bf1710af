import { expect } from 'chai';
import fc from 'fast-check';
import type { FakeS3 } from '../../../fakes/s3.js';
import { contentsOf } from './editor.js';
import { originalPath } from './ledger.js';
import type { Member } from './member.js';
import { storyOf, type Step, type Story } from './story.js';
import { World } from './world.js';

/**
 * Whatever so many workspaces do on one bucket, and whatever befalls them: no version is lost that nobody
 * wanted gone, and in the end all agree.
 *
 * @param heeds - which conditions the server looks at; by default all
 */
export function convergence(members: number, heeds?: FakeS3['heeds']) {
  return fc.asyncProperty(storyOf(members), ({ steps, turns, settledBy }) =>
    live(new World(members, turns, heeds), steps, settledBy),
  );
}

/** Lets a story happen, and everything that has to hold be found true. */
export async function live(
  world: World,
  steps: readonly Step[],
  settledBy: Story['settledBy'],
): Promise<void> {
  try {
    for (const member of world.members) await member.start();
    for (const step of steps) await world.perform(step);
    await world.calm();
    const disks = world.members.map(({ replica }) => contentsOf(replica));
    for (const { replica } of world.members) {
      const { exitCode } = await replica.engine.final(AbortSignal.timeout(20_000));
      expect(exitCode).to.equal(0);
    }
    if (settledBy === 'restart') await settle(world.members);
    else await settleLive(world);
    expect(world.lost, 'replaced or removed unseen').to.deep.equal([]);
    expectNothingMissing(world, disks.flat());
    expectAgreement(world);
    await expectQuiet(world.members);
  } finally {
    world.dispose();
  }
}

/** As `settle`, but everybody goes on working; what was written within a clock's tick is uncertain at first. */
async function settleLive(world: World): Promise<void> {
  for (const member of [...world.members, ...world.members, ...world.members]) {
    await world.perform({ do: 'wait' });
    await member.cycle(true);
    await member.cycle(true, true);
    await member.cycle(true);
  }
  // Which of a file and a folder of one name it shall be is decided at a start.
  const paths = [...world.server.objects.keys()].map((key) => key.replace(/^\.berth\/d\//, ''));
  const clash = [...world.server.objects.keys()].some(
    (key) =>
      paths.some((other) => other.startsWith(`${key}/`)) || paths.filter((path) => path === key).length > 1,
  );
  if (clash) await settle(world.members);
}

/** Twice brings everybody what the others had; a third time what that stirred up. */
async function settle(members: readonly Member[]): Promise<void> {
  for (const member of [...members, ...members, ...members]) {
    await member.start();
    await member.cycle(true);
  }
}

function expectNothingMissing({ server, ledger }: World, onDisks: [name: string, content: string][]): void {
  const kept = new Map<string, Set<string>>();
  for (const [key, { body }] of server.objects) {
    const content = body.toString();
    kept.set(content, (kept.get(content) ?? new Set()).add(originalPath(key)));
  }
  const missing = [...ledger.written].filter((content) => !kept.has(content) && !ledger.mayBeGone(content));
  expect(missing, 'missing in the bucket').to.deep.equal([]);
  const misplaced = onDisks.filter(
    ([name, content]) =>
      kept.get(content)?.has(originalPath(name)) !== true && !ledger.mayHaveLeft(name, content),
  );
  expect(misplaced, 'neither at its name nor in a conflict copy').to.deep.equal([]);
}

function expectAgreement({ server, members }: World): void {
  const inBucket = [...server.objects]
    .filter(([key]) => !key.startsWith('.berth/') && !isInTheWay(key, server))
    .map(([key, { body }]) => [key, body.toString()] as const);
  for (const { replica } of members)
    expect(Object.fromEntries(contentsOf(replica))).to.deep.equal(Object.fromEntries(inBucket));
  for (const { replica } of members) expect(replica.tree()).to.deep.equal(members[0]?.replica.tree());
}

/** A file whose name others need for a folder stays in the bucket only (and the log says so). */
const isInTheWay = (key: string, server: FakeS3) =>
  [...server.objects.keys()].some((other) => other.startsWith(`${key}/`));

async function expectQuiet(members: readonly Member[]): Promise<void> {
  for (const { life, replica } of members) {
    const before = life.client.calls.length;
    await replica.engine.cycle();
    expect(life.client.calls.slice(before), 'a quiet cycle').to.deep.equal([]);
  }
}
