/** Headers that belong to one connection, not to the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Headers that pass through a proxy, in their order and spelling, repeated ones included.
 *
 * @param raw - name, value, name, value … (`message.rawHeaders`)
 * @param drop - further names, in lower case
 */
export function endToEnd(raw: readonly string[], drop: readonly string[] = []): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  const dropped = new Set([...HOP_BY_HOP, ...drop, ...namedByConnection(pairs)]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase()));
}

/** The Connection header may name further headers that end here. */
function namedByConnection(pairs: readonly [string, string][]): string[] {
  return pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((name) => name.trim().toLowerCase()));
}

/** Pairs in the form that `http.request` and `writeHead` keep repeated headers in. */
export function toFields(pairs: readonly [string, string][]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  const names = new Map<string, string>();
  for (const [name, value] of pairs) {
    const field = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), field);
    const present = fields[field];
    fields[field] = present === undefined ? value : [present, value].flat();
  }
  return fields;
}
