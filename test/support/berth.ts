import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import path from 'node:path';
import { parseEnv, promisify } from 'node:util';
import {
  GetObjectCommand,
  HeadBucketCommand,
  paginateListObjectsV2,
  CreateBucketCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import WebSocket from 'ws';
import type { WorkspaceUrls } from '../../shared/model/urls.js';
import { LABELS } from '../../controller/names.js';
import { execIn } from './swarm.js';

const run = promisify(execFile);

/** The parts of the API's view that tests look at. */
export interface View {
  containerId: string;
  status: string;
  message: string;
  urls: WorkspaceUrls;
  accessUrls: WorkspaceUrls | null;
  shutdownReason: string | null;
  startedAt: string | null;
  stoppedAt: string | null;
  activity: { signal: string; lastAt: string }[];
  idleDeadline: string | null;
  health: { status: string; checkedAt: string | null; message: string; services: { code: string | null } };
  sync: { files: number; pendingFiles: number } | null;
  conditions: { type: string; status: string; reason: string; message: string }[];
}

export interface Answer<T = unknown> {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: T;
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new Error(`${name} is not set; run these tests by \`make test\``);
  return value;
}

/** Names of the test's domain lead to this machine, whatever its resolver knows. */
const toLoopback: LookupFunction = (_host, options, done) => {
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};

/**
 * A running Berth as its users meet it: by HTTPS through the gateway, with the local CA. It is set up by
 * `test/run.sh`, which tells where it is by environment variables.
 */
export class Berth {
  readonly stack = required('BERTH_STACK');
  readonly domain = required('BERTH_DOMAIN');
  readonly port = Number(required('BERTH_HTTPS_PORT'));
  readonly stateDir = required('BERTH_STATE_DIR');
  private readonly key = required('BERTH_TEST_KEY');
  private readonly ca = readFileSync(path.join(this.stateDir, 'tls/ca.crt'), 'utf8');
  private readonly agent = new https.Agent({ ca: this.ca, lookup: toLoopback, keepAlive: true });

  close(): void {
    this.agent.destroy();
  }

  /** Calls the management API with the test's key. */
  api<T = View>(method: string, apiPath: string, body?: unknown): Promise<Answer<T>> {
    return this.request<T>(method, `https://api.${this.domain}:${this.port}${apiPath}`, {
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: {
        Authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
    });
  }

  /** The body of a GET of the management API, as it comes; a status other than 200 rejects. */
  download(apiPath: string): Promise<AsyncIterable<Buffer>> {
    const url = `https://api.${this.domain}:${this.port}${apiPath}`;
    return new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${this.key}` };
      const request = https.get(url, { agent: this.agent, headers }, (response) => {
        if (response.statusCode === 200) return resolve(response);
        response.resume();
        reject(new Error(`${url} answered ${response.statusCode}`));
      });
      request.once('error', reject);
    });
  }

  /**
   * Any URL of this Berth. The certificate must be vouched for by the local CA; a failure rejects. To those
   * of workspaces the test's key opens the way, unless it is to come as a stranger.
   */
  request<T = unknown>(
    method: string,
    url: string,
    options: { body?: string | undefined; headers?: Record<string, string>; stranger?: boolean } = {},
  ): Promise<Answer<T>> {
    const headers = { ...(options.stranger === true ? {} : this.keyFor(url)), ...options.headers };
    return new Promise((resolve, reject) => {
      const request = https.request(
        url,
        { method, agent: this.agent, headers, timeout: 330_000 },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.once('error', reject);
          response.once('end', () => {
            const isJson = /json/.test(String(response.headers['content-type']));
            const json = (isJson && text !== '' ? JSON.parse(text) : undefined) as T;
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
          });
        },
      );
      request.once('timeout', () => request.destroy(new Error(`no answer from ${url}`)));
      request.once('error', reject);
      request.end(options.body);
    });
  }

  private keyFor(url: string): Record<string, string> {
    const isWorkspace = /-(code|vnc|web)$/.test(new URL(url).hostname.split('.')[0] ?? '');
    return isWorkspace ? { Authorization: `Bearer ${this.key}` } : {};
  }

  /** @param headers - of a stranger; the test's key opens the way otherwise */
  webSocket(url: string, headers: Record<string, string> = this.keyFor(url)): WebSocket {
    return new WebSocket(url.replace(/^https/, 'wss'), ['binary'], {
      headers,
      agent: new https.Agent({ ca: this.ca, lookup: toLoopback }),
    });
  }

  /** Starts a workspace and waits until it runs. */
  async start(body: Record<string, unknown>): Promise<View> {
    const answer = await this.api('POST', '/api/containers/start?wait=120', {
      image: 'berth/testspace',
      ...body,
    });
    if (answer.status !== 201) throw new Error(`start answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  async view(id: string): Promise<View> {
    return (await this.api('GET', `/api/containers/${id}`)).json;
  }

  /** Deletes a workspace and waits until nothing of it is left. */
  async remove(id: string): Promise<View> {
    const answer = await this.api('DELETE', `/api/containers/${id}?wait=120`);
    if (answer.status !== 200) throw new Error(`delete answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  /** Deletes what a test left, whatever state it is in. */
  async removeQuietly(ids: Iterable<string>): Promise<void> {
    await Promise.all([...ids].map((id) => this.remove(id).catch(() => undefined)));
  }

  /** The container of a running workspace on this machine. */
  async containerOf(id: string): Promise<string> {
    const filters = [
      `label=${LABELS.stack}=${this.stack}`,
      `label=${LABELS.workspace}=${id}`,
      'status=running',
    ];
    const { stdout } = await run('docker', [
      'ps',
      '--quiet',
      '--no-trunc',
      ...filters.flatMap((f) => ['--filter', f]),
    ]);
    const [container] = stdout.trim().split('\n');
    if (container === undefined || container === '') throw new Error(`no container of ${id} runs`);
    return container;
  }

  /** Runs a shell command as the workspace's user. @returns its standard output */
  async shell(id: string, script: string, user = 'dev'): Promise<string> {
    return execIn(await this.containerOf(id), ['bash', '-c', script], user);
  }

  /** Everything on the engine that carries the workspace's label. */
  async leftOvers(id: string): Promise<string[]> {
    const filter = [
      '--filter',
      `label=${LABELS.workspace}=${id}`,
      '--filter',
      `label=${LABELS.stack}=${this.stack}`,
    ];
    const kinds = [
      ['service', 'ls', '--quiet'],
      ['network', 'ls', '--quiet'],
      ['volume', 'ls', '--quiet'],
      ['ps', '--all', '--quiet'],
    ];
    const lists = await Promise.all(kinds.map((kind) => run('docker', [...kind, ...filter])));
    return lists.flatMap(({ stdout }, index) =>
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `${kinds[index]?.[0] ?? ''} ${line}`),
    );
  }
}

/** The bundled S3 server through the gateway. */
export class Bucket {
  private readonly client: S3Client;

  constructor(
    berth: Berth,
    readonly name: string,
    keys?: { accessKeyId: string; secretAccessKey: string; sessionToken: string | undefined },
  ) {
    const configured = parseEnv(readFileSync(path.join(berth.stateDir, 'secrets/s3.env'), 'utf8'));
    const ca = readFileSync(path.join(berth.stateDir, 'tls/ca.crt'), 'utf8');
    this.client = new S3Client({
      endpoint: `https://s3.${berth.domain}:${berth.port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      requestHandler: new NodeHttpHandler({ httpsAgent: new https.Agent({ ca, lookup: toLoopback }) }),
      credentials: {
        accessKeyId: keys?.accessKeyId ?? configured['AWS_ACCESS_KEY_ID'] ?? '',
        secretAccessKey: keys?.secretAccessKey ?? configured['AWS_SECRET_ACCESS_KEY'] ?? '',
        ...(keys?.sessionToken !== undefined && { sessionToken: keys.sessionToken }),
      },
    });
  }

  close(): void {
    this.client.destroy();
  }

  async create(): Promise<void> {
    await this.client.send(new CreateBucketCommand({ Bucket: this.name }));
  }

  async exists(): Promise<boolean> {
    return this.client.send(new HeadBucketCommand({ Bucket: this.name })).then(
      () => true,
      () => false,
    );
  }

  async put(key: string, text: string): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: text }));
  }

  /** All keys that begin so. */
  async keys(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2(
      { client: this.client },
      { Bucket: this.name, Prefix: prefix },
    ))
      keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []));
    return keys;
  }

  /** @returns null when there is no such object */
  async get(key: string): Promise<string | null> {
    try {
      const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.name, Key: key }));
      return (await Body?.transformToString()) ?? '';
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return null;
      throw error;
    }
  }
}
