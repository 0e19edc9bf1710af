import type { Readable } from 'node:stream';

/** The whole of a stream; `node:stream/consumers` goes through a Blob, which costs more than the request. */
export function collect(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) {
      reject(stream.errored ?? endedEarly());
      return;
    }
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve(Buffer.concat(chunks)));
    stream.on('close', () => reject(endedEarly()));
  });
}

const endedEarly = () => new Error('the answer ended too early');
