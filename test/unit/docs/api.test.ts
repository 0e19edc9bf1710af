import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { openApiDocument } from '../../../api/openapi/document.js';
import { readApiSettings } from '../../../api/settings.js';

describe('docs/api.md', () => {
  it('has the same calls below /api as the description for programs', async () => {
    const text = await readFile(new URL('../../../docs/api.md', import.meta.url), 'utf8');
    const told = [...text.matchAll(/^\| \[?`([A-Z]+) (\/api\/[^`]+)`/gm)].map(([, ...call]) =>
      call.join(' '),
    );
    const { paths } = openApiDocument({ settings: readApiSettings({}), version: '1.2.3' });
    const described = Object.entries(paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described).not.to.be.empty;
    expect(told.sort()).to.deep.equal(described.sort());
  });
});
