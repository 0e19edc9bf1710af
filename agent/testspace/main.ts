import http from 'node:http';
import { listen } from '../http/listen.js';
import { startRfbStandIn } from './rfb.js';

/**
 * Small stand-ins for code-server, the VNC server and a user's app, one a process:
 * `testspace.mjs code [port]`, `testspace.mjs vnc <socket>`, `testspace.mjs web [port]`.
 */
const [role, where] = process.argv.slice(2);

switch (role) {
  case 'code':
    await listen(codeStandIn(), Number(where ?? 8080));
    break;
  case 'vnc':
    if (where === undefined) throw new Error('vnc: which socket?');
    await startRfbStandIn(where);
    break;
  case 'web':
    await listen(webStandIn(), Number(where ?? 3000), '127.0.0.1');
    break;
  case undefined:
  default:
    throw new Error('usage: testspace code [port] | vnc <socket> | web [port]');
}

process.on('SIGTERM', () => process.exit(0));

function codeStandIn(): http.Server {
  return http.createServer((request, response) => {
    if (request.url === '/healthz') {
      response.setHeader('content-type', 'application/json');
      response.end('{"status":"alive","lastHeartbeat":0}');
      return;
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<!doctype html><title>testspace</title><h1>testspace: code</h1>');
  });
}

function webStandIn(): http.Server {
  return http.createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ app: 'testspace', method: request.method, url: request.url }));
  });
}
