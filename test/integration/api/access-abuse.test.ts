import { expect } from 'chai';
import { readApiSettings } from '../../../api/settings.js';
import type { Clock } from '../../../shared/clock.js';
import { desired, observed } from '../../unit/api/fixtures.js';
import { askAccess } from './ask-access.js';
import { pause, TestApi } from './support.js';

const AGENT_KEY = '5a'.repeat(32);
const HOST = 'one-code.berth.localhost';
const PAGE = { Accept: 'text/html' };
const NOW = new Date('2026-02-03T04:05:06.000Z');
const clock: Clock = { now: () => NOW, elapsedMs: () => NOW.getTime(), after: () => () => {} };

describe('Access that somebody tries to abuse', () => {
  let api: TestApi;

  beforeEach(async () => {
    const settings = readApiSettings({ BERTH_AUTH_FAILURES_PER_MINUTE: '3' });
    // Slow, so that calls that are made at once are answered at once.
    const agentKey = () => pause(20).then(() => AGENT_KEY);
    api = await TestApi.start({ agentKey, clock, settings });
    await declare();
  });
  afterEach(() => api.stop());

  async function declare(web?: { public: boolean }): Promise<void> {
    const one = desired('one');
    await api.records.desired.write('one', { ...one, spec: { ...one.spec, ...(web && { web }) } });
    await api.records.observed.write('one', observed(one));
  }
  const ask = (headers: Record<string, string> = {}, uri = '/', host = HOST) =>
    askAccess(api, { headers, uri, host });
  const linkTo = async (service: 'code' | 'web') => {
    const { body } = await api.call('GET', '/api/containers/one');
    const { pathname, search } = new URL(body.accessUrls?.[service] ?? 'none:');
    return `${pathname}${search}`;
  };
  const cookieOf = ({ headers }: { headers: Headers }) =>
    (headers.get('set-cookie') ?? '').split(';')[0] ?? '';

  const elsewhere: [string, Record<string, string>][] = [
    ['calls it', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'empty' }],
    ['shows it in a frame', { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }],
    [
      'connects to it',
      {
        'Sec-Fetch-Mode': 'websocket',
        'Sec-WebSocket-Version': '13',
        Origin: 'https://two-web.berth.localhost',
      },
    ],
  ];
  for (const [does, headers] of elsewhere) {
    it(`makes no session of a link when the page of another workspace ${does}`, async () => {
      const answer = await ask({ ...PAGE, 'Sec-Fetch-Site': 'same-site', ...headers }, await linkTo('code'));
      expect([answer.status, answer.headers.get('set-cookie')]).to.deep.equal([403, null]);
    });
  }

  it('makes a session of a link that somebody follows, wherever it was', async () => {
    const followed = {
      'Sec-Fetch-Site': 'cross-site',
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
    };
    // The second: whatever a browser says of the redirect that follows the form.
    for (const Origin of [undefined, 'null']) {
      const headers = { ...PAGE, ...followed, ...(Origin !== undefined && { Origin }) };
      expect(cookieOf(await ask(headers, await linkTo('code')))).to.match(/^__Host-berth=/);
    }
  });

  it('does not hand a link to the public app for which it was made', async () => {
    await declare({ public: true });
    const led = await ask(PAGE, `${await linkTo('web')}&a=1`, 'one-web.berth.localhost');
    expect([led.status, led.headers.get('location')]).to.deep.equal([
      302,
      'https://one-web.berth.localhost/?a=1',
    ]);
  });

  it('turns away who guesses keys, whatever he asks for', async () => {
    const guess = (headers: Record<string, string>) =>
      ask({ Authorization: `Bearer bktest_${'x'.repeat(20)}`, ...headers });
    for (const headers of [PAGE, {}, { ...PAGE, 'Sec-Fetch-Mode': 'navigate' }])
      expect((await guess(headers)).status).to.equal(401);
    expect((await guess(PAGE)).status).to.equal(429);
  });

  it('does not take the user’s app for one who guesses: its bearers are its own', async () => {
    const Cookie = cookieOf(await ask(PAGE, await linkTo('code')));
    const calls = Array.from({ length: 20 }, (_, i) => ask({ Cookie, Authorization: `Bearer e30.${i}.x` }));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(new Set(statuses)).to.deep.equal(new Set([200]));
  });
});
