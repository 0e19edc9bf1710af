import { buffer } from 'node:stream/consumers';
import type { S3Port } from '../../../shared/s3/s3-port.js';
import { Replica } from './replica.js';

export interface Server {
  s3: S3Port;
  /** A place of its own for each test. */
  prefix: string;
}

/** The port, with a list of the requests that went through it. */
export function recorded(s3: S3Port): { s3: S3Port; calls: string[] } {
  const calls: string[] = [];
  const proxy = new Proxy(s3, {
    get(target, name: keyof S3Port) {
      return (...args: unknown[]) => {
        calls.push(name);
        return (target[name] as (...given: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  return { s3: proxy, calls };
}

/** A fresh place in a bucket for each test of the enclosing suite, with workspaces on it. */
export function testbed(serverFor: () => Server) {
  let server: Server;
  let replicas: Replica[];

  beforeEach(() => {
    server = serverFor();
    replicas = [];
  });
  afterEach(() => replicas.forEach((one) => one.dispose()));

  const key = (path: string) => `${server.prefix}/${path}`;
  return {
    server: () => server,
    key,
    /** A workspace that was just started. */
    started: (s3 = server.s3) => {
      const made = new Replica(s3, { prefix: server.prefix });
      replicas.push(made);
      return made.start();
    },
    /** Another tool's new object. */
    put: (path: string, body: string) => server.s3.put(key(path), Buffer.from(body), {}, { kind: 'absent' }),
    replace: async (path: string, body: string) => {
      const etag = (await server.s3.head(key(path)))?.etag ?? '';
      await server.s3.put(key(path), Buffer.from(body), {}, { kind: 'match', etag });
    },
    inBucket: async () => {
      const found: Record<string, string> = {};
      for await (const page of server.s3.list(`${server.prefix}/`)) {
        for (const object of page) {
          const content = await server.s3.get(object.key);
          found[object.key.slice(server.prefix.length + 1)] = (await buffer(content.body)).toString();
        }
      }
      return found;
    },
  };
}
