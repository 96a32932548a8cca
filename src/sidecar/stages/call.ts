/**
 * Stages 8 and 9: calls the provider and streams its answer. Target after target, until one has answered; never another one
 * once the first byte has reached the client.
 */
import { Readable } from "node:stream";
import { GatewayError, refuse } from "../errors.ts";
import type { Admitted } from "../exchange.ts";
import { askForBody } from "../expectation.ts";
import { JsonFault } from "../json/scan.ts";
import { type JsonEdit, spliceJson } from "../json/splice.ts";
import type { JsonDocument } from "../json/view.ts";
import type { SidecarMetrics } from "../metrics.ts";
import { spliceMultipart } from "../multipart/splice.ts";
import { forwardedQuery } from "../openai/paths.ts";
import type { Handler } from "../stage.ts";
import { type AttemptRequest, type AttemptResult, attempt } from "../upstream/attempt.ts";
import type { Backend } from "../upstream/backend.ts";
import type { HeaderPairs } from "../upstream/credentials/credential.ts";
import { CredentialFault } from "../upstream/credentials/fault.ts";
import { CredentialTurn } from "../upstream/credentials/turn.ts";
import { targetEdits, upstreamPath } from "../upstream/dialect.ts";
import { forwardedRequestHeaders } from "../upstream/headers.ts";
import type { Pools } from "../upstream/pools.ts";
import { type TargetOrderDeps, targetOrder } from "../upstream/target-order.ts";
import type { Target } from "../upstream/targets.ts";
import { tooLarge } from "./accept.ts";

/** What call needs. */
export interface CallDeps extends TargetOrderDeps {
  readonly pools: Pools;
  readonly metrics: SidecarMetrics;
}

/** The last handler of the pipeline: it answers, or throws what the client is to see. */
export const call = (deps: CallDeps): Handler<Admitted> => {
  const orderOf = targetOrder(deps);
  return async (exchange) => {
    const { rule, turns } = exchange;
    const query = forwardedQuery(exchange.query);
    const targets = turns?.targets ?? orderOf(exchange);
    let last: GatewayError | undefined;
    for (let i = 0; i < targets.length; i++) {
      const target = targets[i];
      if (!target) break;
      if (turns && i > 0 && !(await turns.moveTo(target))) continue;
      if (exchange.abortReason !== undefined && i > 0) break;
      const how = { query, mayFailOver: i + 1 < targets.length };
      const result = turns
        ? await turns.call(() => callTarget(deps, exchange, target, how))
        : await callTarget(deps, exchange, target, how);
      deps.metrics.upstreamAttempt(target.backend.name, result.kind === "ended" ? "answered" : result.error.code);
      if (result.kind === "ended") return;
      last = result.error;
      if (result.restMs !== undefined) deps.rests.rest(target.backend.name, result.restMs);
      if (exchange.abortReason !== undefined) break;
      const mayGoOn = result.unsent || result.restMs !== undefined;
      if (!mayGoOn) break;
    }
    throw last ?? refuse("backend_unavailable", rule.name);
  };
};

/** Calls a target with one credential after the other, until an answer is passed on or none is left. */
async function callTarget(deps: CallDeps, exchange: Admitted, target: Target, how: How): Promise<AttemptResult> {
  const { backend } = target;
  const pool = backend.credentials;
  if (pool.isEmpty) return callOnce(deps, exchange, target, { ...how, headers: [], onKeyStatus: () => false });
  const turn = new CredentialTurn({
    pool,
    canRepeat: exchange.body.kind !== "raw",
    rests: (name, status) => deps.metrics.credentialRests(name, status),
  });
  let last: AttemptResult | undefined;
  for (let credential = turn.first(); credential; credential = turn.next()) {
    const got = credential.headers();
    const headers = got instanceof Promise ? await awaited(got, exchange) : got;
    if (headers instanceof Error) {
      last = { kind: "failed", error: noCredential(backend.name, headers), unsent: true };
      if (exchange.abortReason !== undefined) return last;
      turn.pass();
      continue;
    }
    const onKeyStatus = (status: number, waitMs?: number): boolean => turn.refused(headers, status, waitMs);
    const result = await callOnce(deps, exchange, target, { ...how, headers, onKeyStatus });
    if (result.kind === "ended" && exchange.call.upstreamStatus !== undefined)
      turn.answered(exchange.call.upstreamStatus);
    if (result.kind === "ended" || !result.isRekeyed || exchange.abortReason !== undefined)
      return turn.isOut && result.kind === "failed" ? { ...result, restMs: pool.freeInMs() } : result;
    deps.metrics.upstreamAttempt(backend.name, "credential_refused");
    last = result;
  }
  return (
    last ?? { kind: "failed", error: refuse("credential_unavailable", backend.name, "there is none"), unsent: true }
  );
}

/** The headers when they are there, or why there are none. Whoever goes away stops waiting; the exchange serves others. */
function awaited(headers: Promise<HeaderPairs>, exchange: Admitted): Promise<HeaderPairs | Error> {
  return new Promise((resolve) => {
    headers.then(resolve, (fault: unknown) => resolve(fault instanceof Error ? fault : new Error(String(fault))));
    exchange.onAbort((reason) => resolve(reason === "drain" ? refuse("draining") : new Error("the client went away")));
  });
}

function noCredential(backend: string, fault: Error): GatewayError {
  if (fault instanceof GatewayError) return fault;
  const isKnown = fault instanceof CredentialFault;
  return new GatewayError("credential_unavailable", [backend, isKnown ? fault.message : "the exchange failed"], {
    cause: fault,
    retry: !isKnown || fault.mayPass,
    ...(isKnown && fault.mayPass && { retryAfterMs: fault.retryAfterMs }),
  });
}

/** How a target is called. */
interface How {
  readonly query: string;
  readonly mayFailOver: boolean;
}
interface HowOnce extends How {
  readonly headers: HeaderPairs;
  readonly onKeyStatus: AttemptRequest["onKeyStatus"];
}

function callOnce(deps: CallDeps, exchange: Admitted, target: Target, how: HowOnce): Promise<AttemptResult> {
  const { backend } = target;
  const model = target.model ?? exchange.model;
  const { timeouts } = exchange.rule;
  const { call: facts } = exchange;
  facts.attempts++;
  facts.backend = backend.name;
  facts.backendType = backend.type;
  facts.upstreamModel = model;
  exchange.answerHeaders.replace("x-sidegate-backend", backend.name);
  const { body, contentType } = bodyFor(exchange, backend, model);
  const headers = forwardedRequestHeaders(exchange.request.rawHeaders, exchange.request.headers.connection);
  headers.push(...how.headers, "accept-encoding", "identity");
  if (contentType !== undefined && exchange.request.headers["content-type"] === undefined)
    headers.push("content-type", contentType);
  return attempt({
    exchange,
    pool: deps.pools.get(backend.origin, timeouts.connectMs),
    path: upstreamPath(backend, exchange, model, how.query),
    headers: withLength(headers, exchange),
    credential: how.headers,
    body,
    timeouts,
    mayFailOver: how.mayFailOver,
    onKeyStatus: how.onKeyStatus,
  });
}

/** A body that is piped through keeps its declared length. */
function withLength(headers: string[], exchange: Admitted): string[] {
  if (exchange.body.kind === "raw" && exchange.body.length !== undefined)
    headers.push("content-length", String(exchange.body.length));
  return headers;
}

/** Splices the edits in; where the client's own value stands in the way (a list where an object must be) that is refused. */
function spliced(document: JsonDocument, edits: readonly JsonEdit[]): Buffer {
  try {
    return spliceJson(document, edits);
  } catch (fault) {
    if (!(fault instanceof JsonFault)) throw fault;
    throw new GatewayError("invalid_json", [`${fault.message} (at ${fault.path})`], { cause: fault });
  }
}

/** The body as this backend takes it: the bytes that came, with the edits spliced in. */
function bodyFor(exchange: Admitted, backend: Backend, model: string) {
  const { body } = exchange;
  if (body.kind === "json") {
    const edits = targetEdits(backend, exchange, model);
    return {
      body: edits.length === 0 ? body.bytes : spliced(body.document, edits),
      contentType: "application/json",
    };
  }
  if (body.kind === "multipart") {
    const keeps = model === exchange.model && exchange.match.deployment === undefined;
    const bytes = keeps ? body.bytes : spliceMultipart(body.bytes, body.scan, { name: "model", value: model });
    return { body: bytes, contentType: body.contentType };
  }
  if (body.kind === "raw") {
    askForBody(exchange);
    const bytesMax = exchange.rule.request.limits.bodyBytes;
    const upload = body.length === undefined ? Readable.from(bounded(body.stream, bytesMax)) : body.stream;
    return { body: upload, contentType: undefined };
  }
  // a POST without a body: an empty one says so (content-length: 0)
  return { body: exchange.match.endpoint.method === "POST" ? Buffer.alloc(0) : null, contentType: undefined };
}

/** An upload whose length nobody has declared: counted as it passes. Throws body_too_large. */
async function* bounded(upload: Readable, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of upload.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length; // no encoding is set on a request
    if (bytes > bytesMax) throw tooLarge("body_too_large", bytesMax);
    yield chunk;
  }
}
