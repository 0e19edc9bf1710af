import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Wish {
  names: readonly string[];
  /** For how long it is valid; negative: since how long it is not any more. */
  days?: number;
  kind?: 'ec' | 'rsa';
}

/** A private certificate authority with an intermediate one, as an operator may have it. */
export class Authority {
  private count = 0;

  private constructor(private readonly folder: string) {}

  static async make(folder: string): Promise<Authority> {
    const authority = new Authority(folder);
    await authority.key('root', 'ec');
    await authority.openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      'root.key',
      '-days',
      '30',
      '-out',
      'root.crt',
      '-subj',
      '/CN=Root',
    );
    await authority.sign('middle', 'root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign', 30);
    return authority;
  }

  /** File of the certificate that clients have to be told of. */
  get root(): string {
    return path.join(this.folder, 'root.crt');
  }

  /** @returns the files' texts: the certificate alone, all of the chain but the root, the key */
  async issue({
    names,
    days = 90,
    kind = 'ec',
  }: Wish): Promise<{ leaf: string; chain: string; key: string }> {
    const name = `leaf${(this.count += 1)}`;
    const alternatives = names.map((host) => `DNS:${host}`).join(',');
    await this.sign(
      name,
      'middle',
      `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth`,
      days,
      kind,
    );
    const [leaf, middle, key] = await Promise.all(
      [`${name}.crt`, 'middle.crt', `${name}.key`].map((file) =>
        readFile(path.join(this.folder, file), 'utf8'),
      ),
    );
    return { leaf: leaf ?? '', chain: `${leaf}${middle}`, key: key ?? '' };
  }

  private async sign(name: string, by: string, extensions: string, days: number, kind: 'ec' | 'rsa' = 'ec') {
    await this.key(name, kind);
    await writeFile(path.join(this.folder, `${name}.ext`), extensions);
    await this.openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`);
    const about = [
      '-req',
      '-in',
      `${name}.csr`,
      '-extfile',
      `${name}.ext`,
      '-CA',
      `${by}.crt`,
      '-CAkey',
      `${by}.key`,
    ];
    await this.openssl('x509', ...about, '-CAcreateserial', '-days', String(days), '-out', `${name}.crt`);
  }

  private async key(name: string, kind: 'ec' | 'rsa'): Promise<void> {
    if (kind === 'rsa') await this.openssl('genrsa', '-out', `${name}.key`, '2048');
    else await this.openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  }

  private async openssl(...args: string[]): Promise<void> {
    await run('openssl', args, { cwd: this.folder });
  }
}
