import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json, text } from 'node:stream/consumers';
import { freePorts } from '../ports.js';
import { eventually } from '../swarm.js';
import { Authority } from './authority.js';

/** `BERTH_TEST_PEBBLE` names the folder of both programs, where they are no packages. */
const program = (name: string) => path.join(process.env['BERTH_TEST_PEBBLE'] ?? '', name);

/** Let's Encrypt's test server on loopback, and a DNS in which every name is this machine. */
export class Pebble {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'berth-pebble-'));
  private readonly children: ChildProcess[] = [];
  private readonly provider = http.createServer((request, response) => {
    this.changeRecord(request).then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  private ports: number[] = [];
  /** Calls of the DNS provider, in order: `/present _acme-challenge.example.com.` */
  readonly recordChanges: string[] = [];
  output = '';

  get directory(): string {
    return `https://localhost:${this.ports[0]}/dir`;
  }
  /** File of who vouches for the server itself. */
  get serverCa(): string {
    return path.join(this.folder, 'root.crt');
  }
  /** File of who vouches for the certificates that it issues. */
  get issuer(): string {
    return path.join(this.folder, 'issuer.crt');
  }
  get resolver(): string {
    return `127.0.0.1:${this.ports[2]}`;
  }
  /** Where the `httpreq` provider of Traefik changes records. */
  get providerUrl(): string {
    return `http://127.0.0.1:${(this.provider.address() as AddressInfo).port}`;
  }

  /** @param httpPort - where a proof by HTTP is looked for; `httpsPort`: one by TLS */
  async start({ httpPort, httpsPort }: { httpPort: number; httpsPort: number }): Promise<void> {
    this.ports = await freePorts(4);
    const [acme = 0, management = 0, dns = 0, dnsManagement = 0] = this.ports;
    const authority = await Authority.make(this.folder);
    const { chain, key } = await authority.issue({ names: ['localhost'] });
    await mkdir(path.join(this.folder, 'server'));
    const file = (name: string) => path.join(this.folder, 'server', name);
    await Promise.all([writeFile(file('cert.pem'), chain), writeFile(file('key.pem'), key)]);
    const pebble = {
      listenAddress: `127.0.0.1:${acme}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: file('cert.pem'),
      privateKey: file('key.pem'),
      httpPort,
      tlsPort: httpsPort,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
    };
    await writeFile(file('config.json'), JSON.stringify({ pebble }));
    this.run('pebble', ['-config', file('config.json'), '-dnsserver', this.resolver]);
    // Its flags changed with the years.
    const help = await helpOf('pebble-challtestsrv');
    const flags = help.includes('-doh ') ? ['-doh', '', '-dnsserver'] : ['-dns01'];
    const none = ['http01', 'https01', 'tlsalpn01'].flatMap((name) => [`-${name}`, '']);
    const listen = ['-management', `127.0.0.1:${dnsManagement}`, '-defaultIPv6', ''];
    this.run('pebble-challtestsrv', [...none, ...listen, ...flags, `127.0.0.1:${dns}`]);
    this.provider.listen(0, '127.0.0.1');
    await once(this.provider, 'listening');
    await eventually('Pebble answers', () => this.saveIssuer(management), 20_000);
    await eventually(
      'the DNS answers',
      () =>
        this.setRecord('set-txt', 'probe.', 'x').then(
          () => true,
          () => false,
        ),
      20_000,
    );
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        if (child.exitCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
    this.provider.closeAllConnections();
    this.provider.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private run(name: string, args: string[]): void {
    const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' };
    const child = spawn(program(name), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.on('error', (error) => (this.output += String(error)));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => (this.output += String(data)));
    this.children.push(child);
  }

  private async saveIssuer(management: number): Promise<boolean> {
    if (this.children.some(({ exitCode, pid }) => exitCode !== null || pid === undefined))
      throw new Error(`Pebble ended: ${this.output}`);
    const ca = readFileSync(this.serverCa);
    const request = https.get({ host: 'localhost', port: management, path: '/roots/0', ca, agent: false });
    const response = await once(request, 'response').then(
      ([found]) => found as http.IncomingMessage,
      () => null,
    );
    if (response === null) return false;
    await writeFile(this.issuer, await text(response));
    return response.statusCode === 200;
  }

  private async changeRecord(request: http.IncomingMessage): Promise<void> {
    const { fqdn, value } = (await json(request)) as { fqdn: string; value: string };
    this.recordChanges.push(`${request.url ?? ''} ${fqdn}`);
    await this.setRecord(request.url === '/present' ? 'set-txt' : 'clear-txt', fqdn, value);
  }

  private async setRecord(action: 'set-txt' | 'clear-txt', host: string, value: string): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.ports[3]}/${action}`, {
      method: 'POST',
      body: JSON.stringify({ host, value }),
    });
    if (!answer.ok) throw new Error(`${action} answered ${answer.status}`);
  }
}

function helpOf(name: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(program(name), ['-h'], (_error, _stdout, stderr) => resolve(stderr));
  });
}
