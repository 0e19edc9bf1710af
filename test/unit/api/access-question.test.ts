import { expect } from 'chai';
import { placeOf, questionOf } from '../../../api/access/question.js';

const DOMAIN = 'berth.localhost';
const HOST = 'one-code.berth.localhost:8443';
const ORIGIN = `https://${HOST}`;

const ask = (headers: Record<string, string>) =>
  questionOf(
    { 'x-forwarded-host': HOST, 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/a?b=c', ...headers },
    DOMAIN,
  );

describe('What the gateway asks about access', () => {
  const hosts: [string, unknown][] = [
    ['one-code.berth.localhost', { workspaceId: 'one', service: 'code' }],
    ['a-b-web.berth.localhost', { workspaceId: 'a-b', service: 'web' }],
    ['one-ssh.berth.localhost', null],
    ['-code.berth.localhost', null],
    ['one-code.berth.localhost.evil.example', null],
    ['one-codexberth.localhost', null],
    ['x.one-code.berth.localhost', null],
    ['api.berth.localhost', null],
    ['', null],
  ];
  for (const [host, place] of hosts) {
    it(`is about ${JSON.stringify(place)} for "${host}"`, () =>
      expect(placeOf(host, DOMAIN)).to.deep.equal(place));
  }

  it('is about nothing where the port is none', () => {
    expect(ask({ 'x-forwarded-host': 'one-code.berth.localhost:99999' })).to.equal(null);
  });

  it('leaves our own cookie out of what is passed on', () => {
    expect(ask({ cookie: 'a=1; __Host-berth=token; b=2' })).to.include({
      session: 'token',
      otherCookies: 'a=1; b=2',
    });
    expect(ask({ cookie: '__Host-berth=token' })).to.include({ session: 'token', otherCookies: null });
    expect(ask({ cookie: 'x__Host-berth=no' })).to.include({
      session: null,
      otherCookies: 'x__Host-berth=no',
    });
    expect(ask({})).to.include({ session: null, otherCookies: null, bearer: null, authorization: null });
  });

  it('tells a bearer from another kind of authorization', () => {
    expect(ask({ authorization: 'Bearer abc' })).to.include({ bearer: 'abc', authorization: 'Bearer abc' });
    expect(ask({ authorization: 'Basic abc' })).to.include({ bearer: null, authorization: 'Basic abc' });
  });

  const pages: [boolean, Record<string, string>][] = [
    [true, { accept: 'text/html,*/*' }],
    [true, { 'sec-fetch-mode': 'navigate', accept: 'text/html' }],
    [false, { accept: '*/*' }],
    [false, { 'sec-fetch-mode': 'cors', accept: 'text/html' }],
    [false, { accept: 'text/html', 'x-forwarded-method': 'POST' }],
    [false, { accept: 'text/html', 'sec-websocket-version': '13' }],
    [true, { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    [false, { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    [false, { accept: 'text/html', authorization: 'Bearer abc' }],
    [true, { accept: 'text/html', authorization: 'Basic abc' }],
  ];
  for (const [isPage, headers] of pages) {
    it(`${isPage ? 'is' : 'is not'} about a page for ${JSON.stringify(headers)}`, () =>
      expect(ask(headers)?.wantsPage).to.equal(isPage));
  }

  const origins: [boolean, Record<string, string>][] = [
    [false, {}],
    [false, { origin: ORIGIN, 'sec-websocket-version': '13' }],
    [false, { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }],
    [false, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }],
    [false, { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
    [true, { origin: 'https://two-web.berth.localhost:8443', 'sec-websocket-version': '13' }],
    [true, { origin: 'https://one-code.berth.localhost' }],
    [true, { origin: 'null', 'x-forwarded-method': 'POST' }],
    [true, { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }],
    [true, { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'websocket' }],
    [true, { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    [false, { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    [false, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
  ];
  for (const [isForeign, headers] of origins) {
    it(`${isForeign ? 'comes' : 'does not come'} from elsewhere with ${JSON.stringify(headers)}`, () =>
      expect(ask(headers)?.fromElsewhere).to.equal(isForeign));
  }
});
