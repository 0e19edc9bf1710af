import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Handshake {
  /** Null: refused. */
  protocol: string | null;
  cipher: string | null;
  alpn: string | null;
  /** With which words the server refused. */
  alert: string | null;
  /** What openssl says of the certificate: `0 (ok)`, or why not. */
  verdict: string;
}

/**
 * One TLS handshake by `openssl s_client`, which offers what Node would not: old protocols and weak ciphers
 * (at security level 0). What openssl cannot speak itself gets no `alert`.
 */
export function handshake(port: number, host: string, ...options: string[]): Promise<Handshake> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', host, ...options];
  return new Promise((resolve) => {
    const child = execFile('openssl', args, { timeout: 15_000 }, (_error, stdout, stderr) => {
      const told = (pattern: RegExp) => pattern.exec(stdout)?.[1] ?? null;
      const [, protocol = null, cipher = null] = /^New, (\S+), Cipher is (\S+)$/m.exec(stdout) ?? [];
      const refused = cipher === null || cipher === '(NONE)';
      resolve({
        protocol: refused ? null : protocol,
        cipher: refused ? null : cipher,
        alert: / alert ([\w ]+):/.exec(stderr)?.[1] ?? null,
        alpn: told(/^ALPN protocol: (\S+)$/m),
        verdict: told(/^ *Verify return code: (.*)$/m) ?? '',
      });
    });
    child.stdin?.end();
  });
}

/** Every cipher suite below TLS 1.3 that this openssl can offer. */
export async function ciphersOfOpenssl(): Promise<string[]> {
  const all = 'ALL:COMPLEMENTOFALL:@SECLEVEL=0';
  const { stdout } = await promisify(execFile)('openssl', ['ciphers', '-s', '-tls1_2', all]);
  return stdout.trim().split(':');
}
