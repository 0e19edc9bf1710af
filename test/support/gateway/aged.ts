import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Puts a certificate of the local authority in force that is good for so many days. */
export async function putAgedCertificate(stateDir: string, domain: string, days: number): Promise<void> {
  // On the same file system, so that both are in place at once.
  const folder = await mkdtemp(path.join(stateDir, 'aged-'));
  const file = (name: string) => path.join(folder, name);
  await writeFile(file('ext'), `subjectAltName=DNS:${domain},DNS:*.${domain}`);
  const about = [
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    file('key'),
    '-subj',
    '/O=Berth',
    '-out',
    file('csr'),
  ];
  await run('openssl', ['req', '-new', ...about]);
  const authority = [
    '-CA',
    path.join(stateDir, 'tls/ca.crt'),
    '-CAkey',
    path.join(stateDir, 'secrets/ca.key'),
  ];
  const more = [
    '-set_serial',
    String(Date.now()),
    '-extfile',
    file('ext'),
    '-days',
    String(days),
    '-out',
    file('crt'),
  ];
  await run('openssl', ['x509', '-req', '-in', file('csr'), ...authority, ...more]);
  await rename(file('key'), path.join(stateDir, 'tls/tls.key'));
  await rename(file('crt'), path.join(stateDir, 'tls/tls.crt'));
  await rm(folder, { recursive: true });
}
