import type Docker from 'dockerode';
import { expect } from 'chai';
import type { ContainerEnds } from '../../../controller/adapters/docker/container-ends.js';
import { sweep } from '../../../controller/adapters/docker/sweep.js';
import { workspaceIds, worldOf } from '../../../controller/reconcile/world.js';

const task = (ID: string, ServiceID: string, Labels: Record<string, string>, State = 'running') => ({
  ...{ ID, ServiceID, DesiredState: 'remove', CreatedAt: '', Version: { Index: 1 } },
  ...{ Spec: { ContainerSpec: { Labels } }, Status: { State } },
});

/** An engine on which somebody has removed the services of `gone` and `older`. */
const ENGINE = {
  listServices: async () => [
    {
      ...{ ID: 's1', Version: { Index: 1 } },
      Spec: { Name: 'n', Labels: { 'berth.workspace': 'demo' }, Mode: {}, TaskTemplate: {} },
    },
  ],
  listTasks: async () => [
    task('t1', 's1', { 'berth.workspace': 'demo' }),
    task('t2', 's2', { 'berth.workspace': 'gone', 'berth.bucket': 'b', 'berth.prefix': 'p' }),
    task('t3', 's3', { 'berth.workspace': 'older' }),
    task('t4', 's2', { 'berth.workspace': 'gone' }, 'failed'),
    task('t5', 's5', {}),
  ],
  listNetworks: async () => [],
  listVolumes: async () => ({ Volumes: [] }),
  listNodes: async () => [],
  listContainers: async () => [],
} as unknown as Docker;

const ENDS = { outOfMemory: async () => new Set() } as unknown as ContainerEnds;

describe('sweep', () => {
  it('shows containers whose service is gone, as what their own labels say', async () => {
    const { view, raw } = await sweep(ENGINE, 'berth', ENDS);
    expect(view.tasks.map(({ id }) => id)).to.deep.equal(['t1']);
    expect(raw.tasks.map(({ ID }) => ID)).to.deep.equal(['t1']);
    expect(worldOf('gone', view, null).leavers).to.deep.equal([
      { id: 't2', workspaceId: 'gone', state: 'running', target: { bucket: 'b', prefix: 'p' } },
    ]);
    expect(worldOf('older', view, null).leavers[0]).to.include({ id: 't3', target: null });
    expect(worldOf('demo', view, null).leavers).to.deep.equal([]);
    expect([...workspaceIds(view)]).to.have.members(['demo', 'gone', 'older']);
  });
});
