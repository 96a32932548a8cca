import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";
import { faultRecord } from "./fault-record.ts";

/** What code logs to; made by `createLog`. */
export type Log = Logger;
/** Levels from the most talkative to none; a log writes its own level and those behind it. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Structured logs: a constant message and fields, one JSON object a line. Callers pass named fields only; never a body, a
 * header or a credential. Of an error (`err`) a record without its own members is kept. Written to stderr by default, so that audit lines can have stdout for themselves.
 */
export const createLog = (options: { name: string; level: LogLevel; destination?: DestinationStream }): Log =>
  pino(
    {
      name: options.name,
      level: options.level,
      timestamp: stdTimeFunctions.isoTime,
      base: { name: options.name },
      serializers: { err: faultRecord },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );

/** A log that says nothing, for tests. */
export const silentLog = (): Log => createLog({ name: "silent", level: "silent" });
