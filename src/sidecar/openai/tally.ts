/** What a meter has learnt of one stream. */
import { type JsonRecord, recordOf, textOf } from "./json-record.ts";
import { type Usage, usageOf } from "./usage.ts";

/** How a stream says that it ended. incomplete: only responses say so (a limit, a filter); chat says it in its finish reasons. */
export type Terminal = "completed" | "incomplete" | "failed";

/** Complete at any time: of a stream that was cut it says how far it came. */
export interface Tally {
  /** How the stream ended; undefined: no terminal event yet. The first one stands. */
  terminal: Terminal | undefined;
  /** As the provider reported it last; undefined: it has not, or `usageFault` says why it is refused. */
  usage?: Usage;
  /** A usage was there and is refused: `unreadable` JSON, or counts that are `invalid`. The hold is then to be charged. */
  usageFault?: "unreadable" | "invalid";
  /** How often a usage was reported. It counts once, however often. */
  usageEvents: number;
  /** `deltaEvents` when it was reported last. */
  usageAtDelta: number;
  /** Events that carried output. */
  deltaEvents: number;
  /** Decoded output so far, in bytes of UTF-8: content, refusal, tool names and arguments, visible reasoning. Never too low. */
  outputBytes: number;
  /** Base64 output so far, in bytes: audio, images. Not in `outputBytes`: its tokens do not follow from its length. */
  mediaBytes: number;
  /** Completed images. */
  images: number;
  /** Names from the provider, at most 256 characters each. */
  model?: string;
  serviceTier?: string;
  responseId?: string;
  /** Chat and completions: the last one of each choice, by index. Responses: why it is incomplete, else its status. */
  finishReasons: string[];
  /** Code of the failure, else its type, else `upstream_error`. */
  errorCode?: string;
  /**
   * A failure that came as a bare `error` event (message and code on the event itself): the Node SDK raises on it, the Python SDK
   * hands it out as an event like any other, so it needs an error frame behind it.
   */
  bareError?: { readonly message: string; readonly code: string };
  /** Responses: the number that the next event has; an error frame takes it. */
  nextSequenceNumber: number;
}

/** The tally of a stream of which nothing has come yet. */
export function createTally(): Tally {
  return {
    terminal: undefined,
    usageEvents: 0,
    usageAtDelta: 0,
    deltaEvents: 0,
    outputBytes: 0,
    mediaBytes: 0,
    images: 0,
    finishReasons: [],
    nextSequenceNumber: 0,
  };
}

/** Error code of a terminal event whose JSON is broken. */
export const unreadableEventCode = "unreadable_event";

/** Takes a reported usage; the last report wins, a refused one too. */
export function recordUsage(tally: Tally, usage: unknown): void {
  if (recordOf(usage) === undefined) return;
  tally.usageEvents += 1;
  tally.usageAtDelta = tally.deltaEvents;
  tally.usage = usageOf(usage);
  tally.usageFault = tally.usage === undefined ? "invalid" : undefined;
}

/**
 * The usage of the whole answer. Of a stream that failed it is that only where no output came after it, and of one without a terminal event
 * where all choices had finished besides: servers report usage on the way, too, some of them zeros. Undefined: there is none.
 */
export function wholeUsage(tally: Tally, choices: number): Usage | undefined {
  const { terminal, usage, usageAtDelta, deltaEvents, finishReasons } = tally;
  if (usage === undefined || terminal === "completed" || terminal === "incomplete") return usage;
  const hasFinished = terminal === "failed" || finishReasons.length >= choices;
  return hasFinished && usageAtDelta === deltaEvents && usage.outputTokens > 0 ? usage : undefined;
}

/** Takes note of a usage in JSON that cannot be read. */
export function refuseUnreadable(tally: Tally): void {
  tally.usageEvents += 1;
  tally.usage = undefined;
  tally.usageFault = "unreadable";
}

/** Takes model, tier and id from a chunk or a response object, where they are there and not empty. */
export function recordNames(tally: Tally, source: JsonRecord): void {
  tally.model ??= textOf(source.model);
  tally.responseId ??= textOf(source.id);
  tally.serviceTier = textOf(source.service_tier) ?? tally.serviceTier;
}

/** Code of an error in any shape: an object with code and type, or a string. */
export function errorCodeOf(error: unknown): string {
  const record = recordOf(error);
  return textOf(record?.code) ?? textOf(record?.type) ?? "upstream_error";
}
