import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Reporter } from '../../../agent/report/reporter.js';
import { QUIET_SYNC } from '../../support/quiet-sync.js';
import { silentLogger } from '../../../shared/logger.js';
import { agentReportSchema, type AgentReport } from '../../../shared/model/report.js';

describe('agent: reports', () => {
  let received: { headers: http.IncomingHttpHeaders; report: AgentReport }[];
  let answers: (number | 'hangs midway')[];
  let answer: string;
  let heard: boolean[];
  let server: http.Server;
  let state: AgentReport['state'];
  let reporter: Reporter;

  const report = (): AgentReport => ({
    runId: 'r1',
    state,
    sync: QUIET_SYNC,
    lastActivityAt: null,
    activity: [],
    oomKills: 0,
  });
  const states = () => received.map((one) => one.report.state);

  beforeEach(async () => {
    received = [];
    answers = [];
    answer = '{"pull":true}';
    heard = [];
    state = 'restoring';
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ headers: request.headers, report: agentReportSchema.parse(JSON.parse(body)) });
        const next = answers.shift() ?? 200;
        if (next === 'hangs midway') {
          response.writeHead(200, { 'content-length': 100 }).write(answer);
          return;
        }
        response.writeHead(next).end(answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    reporter = open();
  });
  afterEach(() => {
    reporter.stop();
    server.close();
    server.closeAllConnections();
  });

  function open(timeoutMs = 5_000): Reporter {
    const { port } = server.address() as AddressInfo;
    return new Reporter(
      {
        url: `http://127.0.0.1:${port}/agent/report`,
        token: 'token',
        backoff: { baseMs: 10, maxMs: 40 },
        timeoutMs,
      },
      report,
      silentLogger(),
      ({ pull }) => heard.push(pull),
    );
  }

  it('hears what the API answers, and minds nothing that it does not understand', async () => {
    await reporter.flush(8_000);
    expect(heard).to.deep.equal([true]);
    for (answer of ['', '{}', '<html>', '{"pull":1}'])
      expect(await reporter.flush(8_000), answer).to.equal(true);
    expect(heard).to.deep.equal([true]);
  });

  it('sends with its token, and waits for the answer', async () => {
    expect(await reporter.flush(8_000)).to.equal(true);
    expect(states()).to.deep.equal(['restoring']);
    expect(received[0]?.headers.authorization).to.equal('Bearer token');
  });

  it('repeats until the API takes it', async () => {
    answers = [503, 500, 204];
    expect(await reporter.flush(8_000)).to.equal(true);
    expect(states()).to.deep.equal(['restoring', 'restoring', 'restoring']);
  });

  it('repeats after an answer that never ends', async () => {
    answers = ['hangs midway', 'hangs midway', 200];
    reporter = open(200);
    expect(await reporter.flush(8_000)).to.equal(true);
    expect(received).to.have.length.at.least(3);
  });

  it('sends only the newest of what came while it could not send', async () => {
    answers = [503, 503];
    reporter.tell();
    state = 'ready';
    reporter.tell();
    state = 'stopping';
    reporter.tell();
    state = 'finished';
    expect(await reporter.flush(8_000)).to.equal(true);
    expect(states().at(-1)).to.equal('finished');
    expect(states()).not.to.include.members(['ready', 'stopping']);
  });

  it('gives up at the deadline', async () => {
    answers = Array.from({ length: 1000 }, () => 503);
    expect(await reporter.flush(150)).to.equal(false);
  });
});
