import { expect } from 'chai';
import type { Request } from 'express';
import * as z from 'zod';
import { waitQuerySchema } from '../../../api/routes/requests.js';
import { parseBody, parseQuery, waitOf } from '../../../api/routes/validation.js';
import { Problem } from '../../../api/problem.js';
import { labelMapSchema } from '../../../shared/model/desired.js';

function problemOf(task: () => unknown): Problem {
  try {
    task();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const schema = z.strictObject({
  name: z.string(),
  size: z.strictObject({ width: z.number() }).optional(),
  labels: labelMapSchema.optional(),
});

describe('errors of a body', () => {
  const cases: [string, unknown, object[]][] = [
    ['no body', undefined, [{ field: 'name', message: 'is required' }]],
    [
      'another type of body',
      [],
      [{ field: 'body', message: 'Invalid input: expected object, received array' }],
    ],
    [
      'a wrong type',
      { name: 1 },
      [{ field: 'name', message: 'Invalid input: expected string, received number' }],
    ],
    ['null', { name: null }, [{ field: 'name', message: 'Invalid input: expected string, received null' }]],
    [
      'unknown fields, also nested ones',
      { name: 'a', x: 1, y: 2, size: { width: 1, depth: 2 } },
      [
        { field: 'size.depth', message: 'is not known' },
        { field: 'x', message: 'is not known' },
        { field: 'y', message: 'is not known' },
      ],
    ],
    ['a nested field', { name: 'a', size: {} }, [{ field: 'size.width', message: 'is required' }]],
    [
      'a label name',
      { name: 'a', labels: { 'a b': '' } },
      [{ field: 'labels.a b', message: 'not a label name' }],
    ],
    [
      '__proto__',
      JSON.parse('{"name":"a","__proto__":{"x":1}}'),
      [{ field: '__proto__', message: 'is not known' }],
    ],
  ];
  for (const [name, body, errors] of cases) {
    it(`name the field: ${name}`, () => {
      const problem = problemOf(() => parseBody(schema, body));
      expect(problem.code).to.equal('BERTH_BODY_INVALID');
      expect(problem.options.errors).to.deep.equal(errors);
    });
  }

  it('are all in the detail', () => {
    const { message } = problemOf(() => parseBody(schema, { x: 1 }));
    expect(message).to.equal('The body is not valid: name: is required; x: is not known.');
  });

  it('are none for a valid body', () =>
    expect(parseBody(schema, { name: 'a' })).to.deep.equal({ name: 'a' }));
});

describe('errors of a query', () => {
  it('name the parameter', () => {
    const problem = problemOf(() =>
      parseQuery(z.strictObject({ limit: z.string() }), { limit: ['1', '2'], x: '' }),
    );
    expect(problem.code).to.equal('BERTH_QUERY_INVALID');
    expect(problem.options.errors).to.deep.equal([
      { field: 'limit', message: 'is given more than once' },
      { field: 'x', message: 'is not known' },
    ]);
  });
});

describe('how long a call waits', () => {
  const asked = (query: object, prefer?: string) =>
    waitOf({ get: () => prefer } as unknown as Request, parseQuery(waitQuerySchema, query).wait);

  it('is not at all unless asked for', () => {
    expect(asked({})).to.equal(null);
    expect(asked({}, 'respond-async')).to.equal(null);
  });

  it('is what the query or the Prefer header says, the query first', () => {
    expect(asked({ wait: '1' })).to.equal(1);
    expect(asked({ wait: '300' })).to.equal(300);
    expect(asked({}, 'wait=60')).to.equal(60);
    expect(asked({}, 'respond-async, Wait = 7')).to.equal(7);
    expect(asked({}, 'wait="8"')).to.equal(8);
    expect(asked({ wait: '5' }, 'wait=60')).to.equal(5);
  });

  for (const wrong of ['', '0', '301', '-1', '1.5', 'abc', '1e2', ' 5', '0x10', '٣']) {
    it(`is refused: ${JSON.stringify(wrong)}`, () => {
      expect(problemOf(() => asked({ wait: wrong })).options.errors?.[0]?.field).to.equal('wait');
    });
  }

  for (const wrong of ['wait', 'wait=', 'wait=0', 'wait=301', 'wait=x']) {
    it(`is refused in the header: ${wrong}`, () => {
      const problem = problemOf(() => asked({}, wrong));
      expect(problem.code).to.equal('BERTH_REQUEST_INVALID');
      expect(problem.options.errors?.[0]?.field).to.equal('Prefer: wait');
    });
  }
});
