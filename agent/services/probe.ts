import http from 'node:http';
import net from 'node:net';
import type { Probe } from './spec.js';

const TIMEOUT_MS = 2_000;

/** Whether a service answers. Never rejects. */
export function answers(probe: Probe): Promise<boolean> {
  return 'http' in probe ? httpAnswers(probe.http) : socketAnswers(probe.socket);
}

function httpAnswers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get(url, { timeout: TIMEOUT_MS, agent: false }, (answer) => {
      answer.resume();
      resolve((answer.statusCode ?? 500) < 500);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

function socketAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path, timeout: TIMEOUT_MS });
    const end = (ok: boolean) => {
      socket.destroy();
      resolve(ok);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
  });
}
