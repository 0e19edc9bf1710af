import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { problemOf } from '../../../api/middleware/problem-details.js';
import { Problem, PROBLEMS } from '../../../api/problem.js';
import { RecordConflictError } from '../../../shared/errors.js';

describe('problems', () => {
  it('have the members of RFC 9457 and a code', () => {
    const errors = [{ field: 'name', message: 'is taken' }];
    const problem = new Problem('BERTH_NAME_TAKEN', 'Choose another.', { errors, extra: { more: 1 } });
    expect(problem.toJSON()).to.deep.equal({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      code: 'BERTH_NAME_TAKEN',
      detail: 'Choose another.',
      errors,
      more: 1,
    });
  });

  const cases: [string, unknown, string][] = [
    ['a problem', new Problem('BERTH_NOT_FOUND', 'x'), 'BERTH_NOT_FOUND'],
    ['a conflict of writers', new RecordConflictError('x'), 'BERTH_RECORD_CONFLICT'],
    ['a full disk', Object.assign(new Error('write'), { code: 'ENOSPC' }), 'BERTH_STORE_FAILED'],
    ['a read-only mount', Object.assign(new Error('open'), { code: 'EROFS' }), 'BERTH_STORE_FAILED'],
    ['a path that cannot be decoded', new URIError('x'), 'BERTH_NOT_FOUND'],
    ['an unknown error', new Error('x'), 'BERTH_INTERNAL'],
    ['text', 'x', 'BERTH_INTERNAL'],
    ['nothing', undefined, 'BERTH_INTERNAL'],
  ];
  for (const [name, error, code] of cases) {
    it(`are made of ${name}`, () => expect(problemOf(error).code).to.equal(code));
  }

  it('are all in docs/api.md, with their status, and no others are', async () => {
    const text = await readFile(new URL('../../../docs/api.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\|\s*(\d{3})\s*\|\s*`(BERTH_\w+)`/gm)].map(([, status, code]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(rows)).to.deep.equal(PROBLEMS);
  });
});
