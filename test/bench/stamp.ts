/** The machine's monotonic clock in whole us: the same in every process, so that one can stamp what another reads. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000_000 + Math.round(nanoseconds / 1000);
}
