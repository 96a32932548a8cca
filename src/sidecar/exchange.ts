/** One request and its answer on their way through the stages. The class is one shape; the types say what is known when. */
import type { Readable } from "node:stream";
import type { Clock } from "../base/clock.ts";
import type { RuleConfig } from "../config/contract.ts";
import { AnswerHeaders } from "./answer-headers.ts";
import type { JsonEdit } from "./json/splice.ts";
import type { JsonDocument } from "./json/view.ts";
import type { Arrival, ClientRequest, ClientResponse } from "./message.ts";
import type { MultipartScan } from "./multipart/scan.ts";
import type { PathMatch } from "./openai/paths.ts";
import type { Usage } from "./openai/usage.ts";
import type { Target } from "./upstream/targets.ts";

/** The verified caller. */
export interface Identity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod?: string;
  /** The pod's label `app.kubernetes.io/name`, which whoever makes the pod chooses. */
  readonly app?: string;
  /** Who sent the request, where the route wants that proven (`identity.require`). Absent: the workload, whoever of it. */
  readonly user?: string;
  readonly tenant?: string;
  readonly roles?: readonly string[];
  readonly groups?: readonly string[];
  /** Id of the API key that was sent. */
  readonly clientKey?: string;
}

/** A request body as it came: bytes with what was found in them, or a stream that nobody has read. */
export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly bytes: Buffer; readonly document: JsonDocument }
  | { readonly kind: "multipart"; readonly bytes: Buffer; readonly scan: MultipartScan; readonly contentType: string }
  | {
      readonly kind: "raw";
      readonly stream: Readable;
      readonly length: number | undefined;
      readonly contentType: string | undefined;
    };

/** How an exchange ended; stated once. */
export interface Ending {
  /**
   * completed: the terminal event or the whole body came. incomplete: the provider ended early and said so. failed: the
   * provider failed. aborted: the client went away. refused: nothing reached a provider. hit: answered from the cache.
   * uncertain: it was sent, nothing came back or it broke off, and it may be billed.
   */
  readonly outcome: "completed" | "incomplete" | "failed" | "aborted" | "refused" | "hit" | "uncertain";
  readonly status: number;
  readonly errorCode?: string;
  /** Of the whole answer. */
  readonly usage?: Usage;
  /** What was seen of the output when no usage came, in tokens. Absent: nothing, or what was seen cannot be counted. */
  readonly observedOutputTokens?: number;
  readonly finishReasons?: readonly string[];
  readonly responseModel?: string;
}

/** What became of the request at the provider so far; settlement and audit read it at the end. */
export interface CallFacts {
  backend?: string;
  backendType?: string;
  upstreamModel?: string;
  attempts: number;
  /** Bytes of this request may have reached a provider. */
  sent: boolean;
  firstByteMs?: number;
  upstreamStatus?: number;
  /** The quota store was away, and a quota that applied was not enforced, as it allows that. */
  isUnenforced: boolean;
  /** The quota store was away, and this sidecar's share decided. */
  isLocalShare: boolean;
  /** The model that was asked for, where a limit of it was exceeded and another one serves. */
  downgradedFrom?: string;
  /** What was held on counters, hold after hold, for the audit. Undefined: nothing. */
  holds?: HoldTold[];
  /** Holds that the intent has told. Undefined: none was written. */
  holdsTold?: number;
}

/** A counter by its key in Redis, the units that are held on it, and until its window ends, ms (Sliding: until its oldest slot goes). */
export type CounterHeld = readonly [key: string, held: number, resetMs: number];

/** One hold. */
export interface HoldTold {
  counters(): readonly CounterHeld[];
  /** Units, in the order of the counters; empty: it runs, or was given back. */
  charged(): readonly number[];
}

/** client: it closed the connection. stalled: it stopped reading. drain: the sidecar's grace period is over. */
export type AbortReason = "client" | "stalled" | "drain";

type EndListener = (ending: Ending) => void;

/** Known from the start. */
export interface Received {
  readonly id: string;
  readonly clock: Clock;
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly arrival: Arrival;
  readonly startedMs: number;
  readonly path: string;
  readonly query: string;
  /** Set when the client went away or the sidecar must end it. */
  readonly abortReason: AbortReason | undefined;
  /** Who is to be told of an abort now; at once when it has happened already. Only the newest is kept. */
  onAbort(listener: (reason: AbortReason) => void): void;
  readonly call: CallFacts;
  readonly ending: Ending | undefined;
  /** Runs once, when the exchange ends, last registered first. What a stage takes it gives back in here. */
  onEnd(listener: EndListener): void;
  /** States the ending. The first statement counts, later ones are nothing. */
  end(ending: Ending): void;
  /** Headers of ours that every answer of this exchange carries. */
  readonly answerHeaders: AnswerHeaders;
}
/** After identify: who calls. */
export interface Identified extends Received {
  readonly identity: Identity;
}
/** After accept: the endpoint is known and the body is there, read and scanned unless it is `raw`. */
export interface Accepted extends Identified {
  readonly match: PathMatch;
  readonly body: RequestBody;
  /** The name that the application asked for; "" where the endpoint has no model. */
  readonly model: string;
  readonly streamed: boolean;
}
/** After authorize: the rule that opens the endpoint and the model. */
export interface Authorized extends Accepted {
  readonly rule: RuleConfig;
  /** The backend that is next to be called, for quotas that count by it. Absent: none does, or there is no backend. */
  readonly quotaTarget?: QuotaTarget | undefined;
}
/** A backend of a route, by name. */
export interface QuotaTarget {
  readonly route: string;
  readonly backend: string;
}
/** After shape: what will be changed in the body, and the upper bounds to hold. */
export interface Shaped extends Authorized {
  /** Edits that every target shares. */
  readonly edits: readonly JsonEdit[];
  /** The client did not ask for the usage frame: it is taken out again. */
  readonly stripUsage: boolean;
  readonly estimate: Estimate;
}
/** Upper bounds, in tokens, before the call. */
export interface Estimate {
  readonly inputTokens: number;
  /** Held output: choices times the cap of each. */
  readonly outputTokens: number;
  /** The cap of one choice. */
  readonly outputCap: number;
  readonly choices: number;
  /** The client (or the rule) named the cap, or the endpoint takes none: it must not be lowered. */
  readonly capAsked: boolean;
  /** The rule limits the output: it wants the cap known to the backend, quota or not. */
  readonly capWanted: boolean;
  /** Output that no cap keeps down and that is held besides: rejected tokens of a prediction. Absent: 0. */
  readonly outputExtra?: number;
  /** What of the request makes that `inputTokens` is no bound. Absent: it is one. */
  readonly unbounded?: string;
  /** What of the request costs otherwise than its model's price says. Absent: nothing. */
  readonly unpriced?: string;
}
/** After admit: everything that applies is held, and the cache did not answer. */
export interface Admitted extends Shaped {
  /** Cap of one choice that the backend must know, by a name that it reads; absent: nobody counts on one. */
  readonly sendOutputCap: number | undefined;
  /** Called with the whole cacheable answer; absent when it must not be stored. */
  readonly fillCache: ((answer: CacheableAnswer) => void) | undefined;
  /** What is held follows the request from backend to backend. Absent: no quota counts by Backend, or there is one backend only. */
  readonly turns?: TargetTurns | undefined;
}
/** The targets of a request, where quotas count by Backend: what is held is held for one of them at a time. */
export interface TargetTurns {
  /** In the order in which they may be called, from the one that admission holds for. */
  readonly targets: readonly Target[];
  /**
   * Gives back what is held for the last one and holds for this one; false: a quota of this backend has no room. Throws where no other
   * backend would help.
   */
  moveTo(target: Target): Promise<boolean>;
  /** Calls the one that is held for, and notes whether anything reached it. */
  call<Result>(run: () => Promise<Result>): Promise<Result>;
}
/** An answer as the cache keeps it. */
export interface CacheableAnswer {
  readonly kind: "json" | "sse";
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly usage: Usage | undefined;
}

/** The exchange itself: made by the server, filled by the stages. */
export class Exchange implements Received {
  readonly id: string;
  readonly clock: Clock;
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly arrival: Arrival;
  readonly startedMs: number;
  readonly path: string;
  readonly query: string;
  readonly call: CallFacts = {
    attempts: 0,
    sent: false,
    isUnenforced: false,
    isLocalShare: false,
    backend: undefined,
    backendType: undefined,
    upstreamModel: undefined,
    firstByteMs: undefined,
    upstreamStatus: undefined,
    downgradedFrom: undefined,
    holds: undefined,
    holdsTold: undefined,
  };
  readonly answerHeaders = new AnswerHeaders();
  ending: Ending | undefined = undefined;
  match: PathMatch | undefined = undefined;
  body: RequestBody | undefined = undefined;
  model: string | undefined = undefined;
  streamed = false;
  identity: Identity | undefined = undefined;
  rule: RuleConfig | undefined = undefined;
  edits: readonly JsonEdit[] = [];
  stripUsage = false;
  estimate: Estimate | undefined = undefined;
  sendOutputCap: number | undefined = undefined;
  fillCache: ((answer: CacheableAnswer) => void) | undefined = undefined;
  quotaTarget: QuotaTarget | undefined = undefined;
  turns: TargetTurns | undefined = undefined;
  abortReason: AbortReason | undefined = undefined;
  #abortListener: ((reason: AbortReason) => void) | undefined = undefined;
  readonly #listeners: EndListener[] = [];
  readonly #onListenerFault: (fault: unknown) => void;

  constructor(options: {
    id: string;
    clock: Clock;
    request: ClientRequest;
    response: ClientResponse;
    arrival: Arrival;
    onListenerFault: (fault: unknown) => void;
  }) {
    this.id = options.id;
    this.clock = options.clock;
    this.request = options.request;
    this.response = options.response;
    this.arrival = options.arrival;
    this.startedMs = options.clock.monotonicMs();
    this.#onListenerFault = options.onListenerFault;
    const url = options.request.url ?? "/";
    const mark = url.indexOf("?");
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? "" : url.slice(mark + 1);
  }

  /** Ends the upstream call and everything that waits for it. The first reason counts. */
  abort(reason: AbortReason): void {
    if (this.abortReason !== undefined) return;
    this.abortReason = reason;
    this.#abortListener?.(reason);
  }
  onAbort(listener: (reason: AbortReason) => void): void {
    this.#abortListener = listener;
    if (this.abortReason !== undefined) listener(this.abortReason);
  }
  onEnd(listener: EndListener): void {
    if (this.ending) this.#run(listener, this.ending);
    else this.#listeners.push(listener);
  }
  end(ending: Ending): void {
    if (this.ending) return;
    this.ending = ending;
    for (let i = this.#listeners.length - 1; i >= 0; i--) {
      const listener = this.#listeners[i];
      if (listener) this.#run(listener, ending);
    }
    this.#listeners.length = 0;
  }
  #run(listener: EndListener, ending: Ending): void {
    try {
      listener(ending);
    } catch (fault) {
      this.#onListenerFault(fault); // one stage's failure to give back must not keep the others from it
    }
  }
}

/** Adds what a stage found out; the types make sure that nobody reads it before. */
export const know = <Known extends Received, More extends object>(exchange: Known, more: More): Known & More =>
  Object.assign(exchange, more);
