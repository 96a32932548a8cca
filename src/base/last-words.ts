/** The end of a process by an error that nobody caught. */
import type { Log } from "./log.ts";

/**
 * From now on such an error, or a rejection that nobody handles, becomes one line of the log, and the process ends with 1. Node's own
 * last words would print every member of the error, among them what a library was given.
 */
export const logLastWords = (log: Log): void => {
  process.on("uncaughtException", (err, origin) => {
    log.error({ err, origin }, "the process ends by an error that nobody caught");
    process.exit(1);
  });
};
