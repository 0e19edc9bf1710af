import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { asUser, canDropBounding, userEnvironment } from '../../../agent/services/environment.js';
import { Service } from '../../../agent/services/service.js';
import { readServices, type ServiceSpec } from '../../../agent/services/spec.js';
import { silentLogger } from '../../../shared/logger.js';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!what()) {
    if (performance.now() > deadline) throw new Error('did not come true');
    await wait(10);
  }
}

/** A zombie has ended, though nobody may have collected it yet. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('agent: services', () => {
  let folder: string;
  const made: Service[] = [];

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'berth-services-'));
  });
  afterEach(async () => {
    await Promise.all(made.splice(0).map((service) => service.stop(200)));
    rmSync(folder, { recursive: true });
  });

  function service(script: string, more: Partial<ServiceSpec> = {}): Service {
    const spec: ServiceSpec = {
      name: 'test',
      command: ['sh', '-c', script],
      cwd: folder,
      env: {},
      after: [],
      ...more,
    };
    const one = new Service(spec, {
      wrap: (command) => [...command],
      env: { PATH: process.env.PATH ?? '', ONLY: 'this' },
      log: silentLogger(),
      onChange: () => undefined,
    });
    made.push(one);
    return one;
  }
  const lines = (name: string) => {
    try {
      return readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  };

  it('ends at every moment of a start', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const one = service(`echo $$ >> pids; exec sleep 60`, {
        ready: { socket: path.join(folder, 'socket') },
      });
      one.start([]);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await one.stop(200);
    }
    expect(lines('pids').filter(isAlive)).to.deep.equal([]);
  });

  it('is tried again when it could not even be spawned', async () => {
    const spec: ServiceSpec = { name: 'test', command: ['sleep', '60'], cwd: folder, env: {}, after: [] };
    let tries = 0;
    const one = new Service(spec, {
      wrap: (command) => {
        if (++tries === 1) throw new Error('spawn ENOMEM');
        return [...command];
      },
      env: { PATH: process.env.PATH ?? '' },
      log: silentLogger(),
      onChange: () => undefined,
    });
    made.push(one);
    one.start([]);
    await until(() => tries === 2);
    await one.whenReady();
  });

  it('builds the environment from nothing', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'must not be seen';
    try {
      service('env > env.txt; sleep 60').start([]);
      await until(() => lines('env.txt').length > 0);
      expect(lines('env.txt').join()).to.contain('ONLY=this').and.not.contain('AWS_');
    } finally {
      delete process.env.AWS_SECRET_ACCESS_KEY;
    }
    const env = userEnvironment({ home: '/home/dev', workspaceId: 'w1', urls: '{}', timezone: undefined });
    expect(env).to.have.all.keys(
      ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'PATH', 'DISPLAY', 'BERTH_WORKSPACE_ID', 'BERTH_URLS'],
    );
  });

  it('runs commands as the user without any capability', () => {
    const command = asUser(['code-server', '--x'], true);
    expect(command.slice(-3)).to.deep.equal(['--', 'code-server', '--x']);
    expect(command).to.include.members([
      ...['--reuid=1000', '--regid=1000', '--clear-groups', '--no-new-privs'],
      ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'],
    ]);
    expect(asUser(['x'], false)).not.to.include('--bounding-set=-all');
    expect(canDropBounding('CapEff:\t00000000a80425fb\n')).to.equal(true);
    expect(canDropBounding('CapEff:\t00000000000000eb\n')).to.equal(false);
  });

  it('starts a service again when it dies', async () => {
    service('echo run >> runs; exit 3').start([]);
    await until(() => lines('runs').length >= 2);
  });

  it('is ready when its socket takes connections, and not before', async () => {
    const socket = path.join(folder, 's');
    // A stale socket of an earlier run is no sign of life.
    writeFileSync(socket, '');
    const listener = `require("net").createServer().listen(${JSON.stringify(socket)})`;
    const toldTo = 'while [ ! -e go ]; do sleep 0.02; done';
    const one = service(`${toldTo}; exec ${process.execPath} -e '${listener}'`, { ready: { socket } });
    one.start([]);
    await wait(50);
    expect(one.ready).to.equal(false);
    writeFileSync(path.join(folder, 'go'), '');
    await one.whenReady();
    expect(one.ready).to.equal(true);
  });

  it('waits for the services it needs', async () => {
    const first = service('echo first >> order; sleep 60', { ready: { socket: path.join(folder, 'never') } });
    const second = service('echo second >> order; sleep 60');
    first.start([]);
    second.start([first]);
    await until(() => lines('order').length > 0);
    await wait(150);
    expect(lines('order')).to.deep.equal(['first']);
  });

  it('ends the whole process group, first kindly, then not', async () => {
    const kind = service('trap "echo bye >> bye; exit 0" TERM; echo up > up; while :; do sleep 0.05; done');
    kind.start([]);
    const deaf = service(
      'trap "" TERM; sh -c \'trap "" TERM; echo $$ > child; while :; do sleep 0.1; done\'',
      {
        name: 'deaf',
      },
    );
    deaf.start([]);
    await until(() => lines('up').length > 0 && lines('child').length > 0);
    // A grace that the test would not survive, and one that has to be over: only TERM, only KILL ends them.
    await Promise.all([kind.stop(600_000), deaf.stop(300)]);
    expect(lines('bye')).to.deep.equal(['bye']);
    expect(isAlive(lines('child')[0] ?? '')).to.equal(false);
  });

  for (const image of ['workspace', 'testspace']) {
    it(`understands the services of the image ${image}`, async () => {
      const file = await readServices(`manifests/images/${image}/services.json`);
      expect(Object.keys(file.roles)).to.deep.equal(['code', 'vnc']);
    });
  }

  const wrong: [string, string, string][] = [
    ['is missing', '', 'ENOENT'],
    ['is no JSON', '{', 'JSON'],
    [
      'names a service that is not there',
      '{"services":[{"name":"a","command":["a"]}],"roles":{"code":"a","vnc":"b"},"rfbSocket":"/s"}',
      'no service called b',
    ],
    ['has unknown fields', '{"servises":[]}', 'servises'],
  ];
  for (const [what, text, message] of wrong) {
    it(`says so when the file ${what}`, async () => {
      const file = path.join(folder, 'services.json');
      if (text !== '') writeFileSync(file, text);
      const error = await readServices(file).catch((caught: unknown) => caught as Error);
      expect((error as Error).message)
        .to.contain(message)
        .and.contain(file);
    });
  }
});
