/** When the silence of a watch is worth a word. */

/** Seconds without a word from the API server after which readiness says so; watches renew themselves every 45 s. */
const watchAgeSecondsMax = 120;

/** The resources that nothing was heard of, in a sentence; undefined: none. `ages`: seconds by resource. */
export const staleWatches = (ages: ReadonlyMap<string, number>): string | undefined => {
  const stale = [...ages].filter(([, seconds]) => seconds > watchAgeSecondsMax);
  return stale.length === 0 ? undefined : `no word from the API server about ${stale.map(([name]) => name).join(", ")}`;
};
