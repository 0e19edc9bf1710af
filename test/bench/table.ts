/** Middle, least and most of some measurements, which are many at least one. */
export function summaryOf(values: readonly number[]): { median: number; min: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}

/** Prints rows of a name and numbers, the numbers divided by `unit`, under their heads. */
export function printTable(head: string[], rows: [string, ...number[]][], unit: number): void {
  const cells = [
    head,
    ...rows.map(([name, ...numbers]) => [name, ...numbers.map((n) => (n / unit).toFixed(2))]),
  ];
  const width = (column: number) => Math.max(...cells.map((row) => row[column]?.length ?? 0));
  for (const row of cells) {
    const line = row.map((cell, column) =>
      column === 0 ? cell.padEnd(width(0)) : cell.padStart(width(column)),
    );
    console.log(line.join('   '));
  }
}
