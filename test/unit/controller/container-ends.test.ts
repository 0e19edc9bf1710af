import type Docker from 'dockerode';
import { expect } from 'chai';
import { ContainerEnds } from '../../../controller/adapters/docker/container-ends.js';

const task = (id: string) => ({
  ID: id,
  Status: {
    State: 'failed',
    Err: 'task: non-zero exit (137)',
    ContainerStatus: { ContainerID: `container-of-${id}` },
  },
});

describe('ContainerEnds', () => {
  const outOfMemory = { State: { OOMKilled: true } };
  let asked: string[];
  /** By container; one that is not there is told at once. */
  let answers: Map<string, Promise<typeof outOfMemory>>;
  let ends: ContainerEnds;

  beforeEach(() => {
    asked = [];
    answers = new Map();
    const getContainer = (id: string) => ({
      inspect: () => {
        asked.push(id);
        return answers.get(id) ?? Promise.reject(Object.assign(new Error('gone'), { statusCode: 404 }));
      },
    });
    ends = new ContainerEnds({ getContainer } as unknown as Docker, 20);
  });
  const told = async (...ids: string[]) => [...(await ends.outOfMemory(ids.map(task)))];

  it('asks for each once, whether there is an answer or nobody can tell any more', async () => {
    answers.set('container-of-a', Promise.resolve(outOfMemory));
    expect(await told('a', 'b')).to.deep.equal(['a']);
    expect(await told('a', 'b')).to.deep.equal(['a']);
    expect(asked).to.deep.equal(['container-of-a', 'container-of-b']);
  });

  it('asks again where the engine failed', async () => {
    answers.set('container-of-a', Promise.reject(new Error('the engine did not answer to the end')));
    expect(await told('a')).to.deep.equal([]);
    answers.set('container-of-a', Promise.resolve(outOfMemory));
    expect(await told('a')).to.deep.equal(['a']);
  });

  it('lets nobody wait long for a container that hangs, nor twice, and takes its answer when it comes', async () => {
    let answer: (value: typeof outOfMemory) => void = () => undefined;
    answers.set('container-of-a', new Promise((resolve) => (answer = resolve)));
    answers.set('container-of-b', Promise.resolve(outOfMemory));
    expect(await told('a', 'b')).to.deep.equal(['b']);
    const again = told('a', 'b');
    const first = await Promise.race([
      again,
      new Promise((resolve) => setTimeout(resolve, 5, 'still waits')),
    ]);
    expect(first).to.deep.equal(['b']);
    expect(asked).to.deep.equal(['container-of-a', 'container-of-b']);
    answer(outOfMemory);
    await again;
    expect(await told('a', 'b')).to.have.members(['a', 'b']);
  });
});
