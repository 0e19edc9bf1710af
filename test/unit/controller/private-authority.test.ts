import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { privateAuthority } from '../../../controller/private-authority.js';

describe("Whom the controller trusts about the gateway's certificate", () => {
  let stateDir: string;
  const asked = (BERTH_TLS: 'local' | 'files' | 'acme') =>
    privateAuthority({ BERTH_STATE_DIR: stateDir, BERTH_TLS }).catch((error: Error) => error.message);
  const write = (name: string) => writeFile(path.join(stateDir, 'tls', name), name);

  beforeEach(async () => {
    stateDir = await mkdtemp(path.join(tmpdir(), 'berth-trust-'));
    await mkdir(path.join(stateDir, 'tls'));
  });
  afterEach(() => rm(stateDir, { recursive: true }));

  it("is this Berth's own authority, and nobody else, where the certificate is a local one", async () => {
    await write('private-ca.crt');
    expect(await asked('local'))
      .to.contain('tls/ca.crt')
      .and.contain('make up');
    await write('ca.crt');
    expect(await asked('local')).to.equal('ca.crt');
  });

  it('is the authority that the operator named, and otherwise the public ones', async () => {
    await write('ca.crt');
    expect([await asked('files'), await asked('acme')]).to.deep.equal([undefined, undefined]);
    await write('private-ca.crt');
    expect([await asked('files'), await asked('acme')]).to.deep.equal(['private-ca.crt', 'private-ca.crt']);
  });
});
