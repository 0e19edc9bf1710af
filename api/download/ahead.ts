/**
 * Works on the next few items while the results before them are used. Results come in the items' order;
 * nothing is begun as long as nobody takes them.
 *
 * @param count - results that may wait
 */
export async function* ahead<T, R>(
  items: Iterable<T>,
  count: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // A failure is told when its turn comes.
    result.catch(() => undefined);
    if (begun.push(result) > count) yield (await begun.shift()) as R;
  }
  for (const result of begun) yield await result;
}
