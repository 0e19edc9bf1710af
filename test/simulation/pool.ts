import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Finding, Job } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const PROCESSES = Math.min(4, availableParallelism());

/** Runs a job on all cores, each with its share. */
export async function onAllCores(share: (index: number, of: number) => Job): Promise<Finding[]> {
  const findings = Array.from({ length: PROCESSES }, (_, index) => onOneCore(share(index, PROCESSES)));
  return (await Promise.all(findings)).flat();
}

function onOneCore(job: Job): Promise<Finding[]> {
  return new Promise((resolve, reject) => {
    const findings: Finding[] = [];
    const worker = fork(WORKER, [JSON.stringify(job)]);
    worker.on('message', (finding: Finding) => findings.push(finding));
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (code === 0) resolve(findings);
      else reject(new Error(`a worker ended with ${code}`));
    });
  });
}
