/** Audit records, as sidecars write them (src/sidecar/stages/record.ts). What is no record, or a broken one, never stops anything. */
import { type Endpoint, endpoints } from "../../../openai/endpoints.ts";
import type { Ending } from "../../../sidecar/exchange.ts";
import { matchPath } from "../../../sidecar/openai/paths.ts";
import { type Usage, usageCountMax } from "../../../sidecar/openai/usage.ts";
import { boundTokensMax } from "../../../sidecar/quota/input-bound.ts";
import { listAt, memberAt, numberAt, textAt } from "../../check/members.ts";
import { jsonOf } from "./lines.ts";

/** What both kinds tell. */
interface Common {
  readonly timeMs: number;
  readonly id: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Name of the route, in `namespace`. */
  readonly route: string;
  readonly rule: string;
  readonly user: string | undefined;
  readonly tenant: string | undefined;
  readonly endpoint: Endpoint;
  /** That the application asked for. */
  readonly model: string;
}

/** What was held for a call before it began. */
interface Held {
  readonly input: number;
  readonly output: number;
  readonly outputExtra: number;
  readonly choices: number;
  /** Whether the client named the output's maximum; undefined: a record of an earlier release. */
  readonly asked: boolean | undefined;
  /** Something in the request makes `input` no bound, or costs otherwise than its model; undefined: a record of an earlier release. */
  readonly unbounded: boolean | undefined;
  readonly unpriced: boolean | undefined;
}

/** A call that was admitted. */
export interface Intent extends Common, Held {
  readonly kind: "intent";
  readonly clientKey: string | undefined;
  readonly pod: string | undefined;
  readonly app: string | undefined;
  /** That was held for; undefined: no quota counted by it then. */
  readonly backend: string | undefined;
  readonly streamed: boolean;
}

/** How one ended: that call, or one that has no other record. */
export type Outcome = {
  readonly kind: "outcome";
  readonly timeMs: number;
  readonly id: string;
  readonly ending: Ending;
  /** That was called last; undefined: none was. */
  readonly backend: string | undefined;
} & {
  /** Of an answer from the cache, which has this record alone: the call that it was. */
  readonly hit?: Intent & {
    /** The record tells what was held, and of whom; else it is of an earlier release. */
    readonly isMeasured: boolean;
  };
};

/** A record; `other`: a line of something else, such as a log; or what is wrong with it. */
export type Parsed = Intent | Outcome | { readonly kind: "other" } | { readonly kind: "bad"; readonly why: string };

const outcomes = ["completed", "incomplete", "failed", "aborted", "refused", "hit", "uncertain"] as const;
/** Sidecars write some 100 characters at most. A hold of a replay adds a few of its own. */
const idForm = /^[A-Za-z0-9._:-]{1,120}$/;
const workloadForm = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})$/;
const choicesMax = 1_000;
const podForm = /^[a-z0-9.-]{1,253}$/;
/** No calendar goes further. */
const timeMsMax = Date.UTC(9999, 0);

class BadRecord extends Error {
  override readonly name = "BadRecord";
}

/** Reads one line. Never throws. */
export const parseRecord = (line: string): Parsed => {
  const read = jsonOf(line);
  if (read.kind !== "json") return read;
  const { value } = read;
  try {
    const kind = textAt(value, "record");
    if (kind === "intent") return intentOf(value);
    if (kind === "outcome") return outcomeOf(value);
    return typeof value === "object" ? { kind: "other" } : { kind: "bad", why: "is no object" };
  } catch (fault) {
    if (fault instanceof BadRecord) return { kind: "bad", why: fault.message };
    throw fault;
  }
};

const intentOf = (value: unknown): Intent => ({ ...callOf(value, endpointOf(value)), ...heldOf(value) });

/** An answer from the cache, in place of the intent that it does not have. */
const hitOf = (value: unknown): Outcome["hit"] => {
  const isMeasured = memberAt(value, "heldTokens") !== undefined;
  return { ...callOf(value, endpointNamed(value)), ...(isMeasured ? heldOf(value) : nothingHeld), isMeasured };
};

const callOf = (value: unknown, endpoint: Endpoint): Omit<Intent, keyof Held> => ({
  kind: "intent",
  ...commonOf(value, endpoint),
  clientKey: optional(value, "clientKey"),
  pod: podOf(value),
  app: optional(value, "app"),
  backend: optional(value, "backend"),
  streamed: memberAt(value, "streamed") === true,
});

const heldOf = (value: unknown): Held => ({
  input: heldAt(value, "input"),
  output: heldAt(value, "output"),
  outputExtra: memberAt(value, "heldTokens", "outputExtra") === undefined ? 0 : heldAt(value, "outputExtra"),
  choices: choicesOf(value),
  asked: factOf(memberAt(value, "heldTokens", "asked")),
  unbounded: factOf(memberAt(value, "heldTokens", "unbounded")),
  unpriced: factOf(memberAt(value, "heldTokens", "unpriced")),
});

const nothingHeld: Held = {
  ...{ input: 0, output: 0, outputExtra: 0, choices: 1 },
  ...{ asked: undefined, unbounded: undefined, unpriced: undefined },
};

const heldAt = (value: unknown, member: string): number => {
  const count = countAt(value, "heldTokens", member);
  if (count > boundTokensMax) throw new BadRecord(`heldTokens.${member} is too large`);
  return count;
};

const factOf = (fact: unknown): boolean | undefined => (typeof fact === "boolean" ? fact : undefined);

const podOf = (value: unknown): string | undefined => {
  const pod = optional(value, "pod");
  if (pod !== undefined && !podForm.test(pod)) throw new BadRecord("pod is no name");
  return pod;
};

const choicesOf = (value: unknown): number => {
  const choices = memberAt(value, "heldTokens", "choices");
  if (choices === undefined) return 1;
  if (typeof choices === "number" && Number.isInteger(choices) && choices >= 1 && choices <= choicesMax) return choices;
  throw new BadRecord("heldTokens.choices is none");
};

const outcomeOf = (value: unknown): Outcome => {
  const { timeMs, id } = stampOf(value);
  const outcome = outcomes.find((each) => each === textAt(value, "outcome"));
  if (!outcome) throw new BadRecord("outcome is none that is known");
  const usage = usageIn(memberAt(value, "usage"));
  const observed = memberAt(value, "observedOutputTokens");
  const ending: Ending = {
    outcome,
    status: numberAt(value, "status") ?? 0,
    errorCode: textAt(value, "errorCode"),
    ...(usage && { usage }),
    ...(typeof observed === "number" && { observedOutputTokens: countAt(value, "observedOutputTokens") }),
    finishReasons: listAt(value, "finishReasons").map(String),
  };
  return {
    kind: "outcome",
    timeMs,
    id,
    ending,
    backend: optional(value, "backend"),
    ...(outcome === "hit" && { hit: hitOf(value) }),
  };
};

const stampOf = (value: unknown): Pick<Common, "timeMs" | "id"> => {
  const timeMs = Date.parse(textAt(value, "time"));
  if (!(timeMs >= 0 && timeMs < timeMsMax)) throw new BadRecord("time is no time");
  const id = textAt(value, "id");
  if (!idForm.test(id)) throw new BadRecord("id is none");
  return { timeMs, id };
};

const commonOf = (value: unknown, endpoint: Endpoint): Common => {
  const [, namespace, serviceAccount] = workloadForm.exec(textAt(value, "identity")) ?? [];
  if (namespace === undefined || serviceAccount === undefined) throw new BadRecord("identity is no NAMESPACE/NAME");
  const [, , route] = workloadForm.exec(textAt(value, "route")) ?? [];
  if (route === undefined) throw new BadRecord("route is no NAMESPACE/NAME");
  const user = optional(value, "user");
  const tenant = optional(value, "tenant");
  const model = optional(value, "downgradedFrom") ?? textAt(value, "model");
  return {
    ...stampOf(value),
    namespace,
    serviceAccount,
    route,
    rule: textAt(value, "rule"),
    user,
    tenant,
    endpoint,
    model,
  };
};

const optional = (value: unknown, member: string): string | undefined => {
  const text = memberAt(value, member);
  return typeof text === "string" ? text : undefined;
};

const countAt = (value: unknown, ...path: readonly string[]): number => {
  const count = numberAt(value, ...path);
  if (count !== undefined && Number.isSafeInteger(count) && count >= 0) return count;
  throw new BadRecord(`${path.join(".")} is no count`);
};

/** As sidecars find it; a record has the path below the version root. */
const endpointOf = (value: unknown): Endpoint => {
  try {
    return matchPath(textAt(value, "method"), `/v1${textAt(value, "path")}`).endpoint;
  } catch {
    return endpointNamed(value);
  }
};

const endpointNamed = (value: unknown): Endpoint => {
  const found = endpoints.find(({ name }) => name === textAt(value, "endpoint"));
  if (!found) throw new BadRecord("endpoint is none that this release knows");
  return found;
};

/** Refuses what no provider can have said: it would spoil every sum. */
const usageIn = (value: unknown): Usage | undefined => {
  if (value === null || value === undefined) return undefined;
  const token = (member: string): number => {
    const count = countAt(value, member);
    if (count > usageCountMax) throw new BadRecord(`usage.${member} is too large`);
    return count;
  };
  const seconds = numberAt(value, "seconds");
  const [inputTokens, outputTokens] = [token("inputTokens"), token("outputTokens")];
  return {
    inputTokens,
    cachedInputTokens: Math.min(token("cachedInputTokens"), inputTokens),
    outputTokens,
    reasoningTokens: 0,
    totalTokens: inputTokens + outputTokens,
    ...(seconds !== undefined && seconds >= 0 && seconds <= usageCountMax && { seconds }),
  };
};
