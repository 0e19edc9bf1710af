import { createServer, type Server } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import bcrypt from 'bcryptjs';
import type { Express } from 'express';
import winston from 'winston';
import { createApp, type AppDependencies } from '../../../api/app.js';
import { agentKeyOf } from '../../../api/auth/agent-key.js';
import { KeyRing } from '../../../api/auth/key-ring.js';
import type { AuditEntry } from '../../../api/middleware/audit.js';
import { bucketsOf } from '../../../api/download/buckets.js';
import type { FieldError } from '../../../api/problem.js';
import type { WorkspaceView } from '../../../shared/model/view.js';
import { readApiSettings } from '../../../api/settings.js';
import { systemClock } from '../../../shared/clock.js';
import type { SystemStatus } from '../../../shared/model/system.js';
import { openRecords, type Records } from '../../../shared/store/records.js';

export const SECRET = 'TheSecretOfTheTestKey123';
export const KEY = `bktest_${SECRET}`;
const HASH = bcrypt.hashSync(SECRET, 4);

/** Everything an answer may hold; tests look at what they expect. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: Partial<WorkspaceView> & {
    code?: string;
    detail?: string;
    title?: string;
    errors?: FieldError[];
    workspace?: WorkspaceView;
    items?: WorkspaceView[];
    nextCursor?: string | null;
  } & Record<string, unknown>;
}

export interface CallOptions {
  /** null: no Authorization header. */
  authorization?: string | null;
  body?: unknown;
  /** Sent as it is. */
  raw?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  redirect?: 'manual';
}

/** The real API on a loopback port, over a state folder of its own. */
export class TestApi {
  private constructor(
    readonly stateDir: string,
    readonly records: Records,
    readonly url: string,
    /** Lines of the log, as JSON. */
    readonly log: string[],
    private readonly server: Server,
    readonly app: Express,
    readonly audited: readonly AuditEntry[],
  ) {}

  static async start(change: Partial<AppDependencies> = {}): Promise<TestApi> {
    const stateDir = await mkdtemp(path.join(os.tmpdir(), 'berth-api-'));
    const records = await openRecords(stateDir);
    const log: string[] = [];
    const logger = memoryLogger(log);
    const keys = new KeyRing({
      file: path.join(stateDir, 'keys.yaml'),
      fromEnvironment: new Map([['bktest', HASH]]),
      clock: systemClock,
      logger,
    });
    // Tests call without keys far more often than anybody would.
    const settings = readApiSettings({ BERTH_STATE_DIR: stateDir, BERTH_AUTH_FAILURES_PER_MINUTE: '0' });
    const audited: AuditEntry[] = [];
    const agentKey = agentKeyOf(stateDir);
    const app = createApp({
      records,
      keys,
      audit: (entry) => audited.push(entry),
      agentKey,
      buckets: bucketsOf(settings),
      sessionKeys: () => Promise.resolve(null),
      clock: systemClock,
      logger,
      settings,
      version: '1.2.3',
      ...change,
    });
    const server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new TestApi(stateDir, records, url, log, server, app, audited);
  }

  async call(method: string, target: string, options: CallOptions = {}): Promise<Answer> {
    const { authorization = `Bearer ${KEY}`, body, raw, signal } = options;
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${this.url}${target}`, {
      method,
      headers: {
        ...(authorization !== null && { Authorization: authorization }),
        ...(text !== undefined && { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
      ...(text !== undefined && { body: text }),
      ...(signal && { signal }),
      ...(options.redirect && { redirect: options.redirect }),
    });
    const answer = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: response.status,
      headers: response.headers,
      text: answer,
      body: (isJson ? JSON.parse(answer) : {}) as Answer['body'],
    };
  }

  start(body: unknown, query = ''): Promise<Answer> {
    return this.call('POST', `/api/containers/start${query}`, { body });
  }

  /** Writes a file below the state folder, as an operator would. */
  write(name: string, text: string): Promise<void> {
    return writeFile(path.join(this.stateDir, name), text);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.stateDir, { recursive: true, force: true });
  }
}

export function system(change: Partial<SystemStatus> = {}): SystemStatus {
  return {
    updatedAt: new Date().toISOString(),
    docker: { ok: true, version: '28.0.0', message: '' },
    host: {
      cpus: 2,
      cpuPercent: 10,
      memoryTotalBytes: 8e9,
      memoryUsedBytes: 4e9,
      memoryPercent: 50,
      diskTotalBytes: 1e11,
      diskUsedBytes: 1e10,
    },
    admission: { limitPercent: 90, freeBytes: 3.2e9 },
    warnings: [],
    workspaces: { starting: 0, running: 1, stopping: 0, stopped: 0 },
    ...change,
  };
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` holds; a deadline only ends a wait that would never end. */
export async function eventually(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 8_000;
  while (performance.now() < end) {
    if (await check()) return;
    await pause(10);
  }
  throw new Error(`did not come about: ${what}`);
}

export function memoryLogger(lines: string[]) {
  const logger = winston.createLogger({ level: 'debug', format: winston.format.json(), transports: [] });
  const transport = new winston.transports.Stream({ stream: process.stdout });
  transport.log = (info: Record<symbol, string>, next: () => void) => {
    lines.push(info[Symbol.for('message')] ?? '');
    next();
  };
  return logger.add(transport);
}
