import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium, type BrowserContext } from 'playwright-core';
import type { Berth } from './berth.js';

const run = promisify(execFile);

/** Quiet: no calls to its maker's servers, which a closed network would refuse one by one. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Debian's Chromium with a profile of its own that trusts the local CA and nothing else beyond its own:
 * a wrong certificate fails the test.
 */
export async function openBrowser(
  berth: Berth,
): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const home = await mkdtemp(path.join(tmpdir(), 'berth-browser-'));
  const database = path.join(home, '.pki/nssdb');
  await mkdir(database, { recursive: true });
  await run('certutil', ['-d', `sql:${database}`, '-N', '--empty-password']);
  const ca = path.join(berth.stateDir, 'tls/ca.crt');
  await run('certutil', ['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'berth', '-i', ca]);
  const context = await chromium.launchPersistentContext(path.join(home, 'profile'), {
    executablePath: process.env['BERTH_TEST_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [...FLAGS, `--host-resolver-rules=MAP *.${berth.domain} 127.0.0.1`],
    env: { ...process.env, HOME: home },
    viewport: { width: 1280, height: 800 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
