/**
 * The error catalogue: every refusal and failure that a client can see, one row each. A row decides the status, OpenAI's
 * `type` and `param`, whether the official SDKs may try again (`x-should-retry`), and the sentence.
 * The docs table (docs/reference/errors.md) is generated from it.
 */

import { bad, type ErrorRow, ours, upstream } from "./error-row.ts";

/** The rows by code, by the stage that throws them. The code is what clients find in `error.code`. */
export const errorCatalogue = {
  // accept
  malformed_http: bad(null, (why) => `The request is not well-formed HTTP: ${why}.`),
  headers_too_large: bad(null, (max) => `The request headers are too large: at most ${max}.`, 431),
  invalid_header: bad(null, (why) => `A request header is not acceptable: ${why}.`),
  invalid_url: bad(null, (why) => `The request URL is not acceptable: ${why}.`),
  unknown_endpoint: bad(
    null,
    (what) =>
      `Unknown endpoint (${what}): Sidegate passes only the endpoints it can meter. See the endpoint reference; the base URL must end in /v1, /openai/v1 or /openai/deployments/NAME.`,
    404,
  ),
  method_not_allowed: bad(null, (method, allow) => `Method ${method} is not allowed here; use ${allow}.`, 405),
  unsupported_content_encoding: bad(
    null,
    (coding) => `Request bodies must not be compressed (content-encoding: ${coding}).`,
    415,
  ),
  unsupported_media_type: bad(null, (want) => `The content-type of this endpoint is ${want}.`, 415),
  body_too_large: bad(
    null,
    (max) => `The request body is too large: at most ${max} bytes (rules[].request.limits.bodyBytes).`,
    413,
  ),
  json_too_large: bad(
    null,
    (max) => `The JSON body is too large: at most ${max} bytes (rules[].request.limits.jsonBytes).`,
    413,
  ),
  invalid_json: bad(null, (why) => `The request body is not acceptable JSON: ${why}.`),
  duplicate_key: bad(null, (why) => `The request body names a key twice: ${why}.`),
  invalid_multipart: bad(null, (why) => `The request body is not acceptable multipart/form-data: ${why}.`),
  request_timeout: bad(null, () => "The request did not arrive in time.", 408),
  invalid_type: { ...bad(null, (field, want) => `Invalid type for '${field}': expected ${want}.`) },
  model_required: bad("model", () => "You must provide a model parameter."),

  // screen
  source_not_allowed: bad(null, (why) => `This address may not connect: ${why}.`, 403),
  user_agent_not_allowed: bad(
    null,
    (agent) =>
      `The client '${agent}' is not allowed on this route: its user-agent fits none of spec.listener.userAgents.`,
    403,
  ),
  https_required: bad(
    null,
    () =>
      "This port speaks https only: begin the base URL with https://. The request and its key went over the network in clear.",
    403,
  ),

  // identify, authorize
  no_route: ours(503, false, (who, why) => `No AIRoute applies to ${who}: ${why}`),
  bearer_missing: bad(
    null,
    () =>
      "This route wants callers to prove who they are: send a token of its issuers as 'Authorization: Bearer TOKEN'.",
    401,
  ),
  bearer_refused: bad(null, (why) => `The token was refused: ${why}.`, 401),
  api_key_missing: bad(
    null,
    () => "This route wants callers to prove who they are: send an API key of it as 'Authorization: Bearer sgk-...'.",
    401,
  ),
  api_key_refused: bad(null, (why) => `The API key was refused: ${why}.`, 401),
  issuer_unavailable: ours(
    503,
    true,
    (issuer) => `Tokens of ${issuer} cannot be verified now: its keys could not be fetched.`,
  ),
  identity_refused: bad(null, (why) => `The workload's identity was refused: ${why}.`, 403),
  endpoint_not_allowed: bad(
    null,
    (endpoint) =>
      `Endpoint ${endpoint} is not allowed on this route. To allow it, name ${endpoint} in rules[].matches[].endpoints of the AIRoute.`,
    403,
  ),
  model_not_allowed: bad(
    "model",
    (model, endpoint) =>
      `Model '${model}' is not allowed on this route for ${endpoint}. To allow it, add it to rules[].matches[].models of the AIRoute.`,
    403,
  ),
  caller_not_allowed: bad(
    null,
    (what, missing) =>
      `${what} is open on this route, but not to this caller: it has none of the ${missing} that rules[].allow of the AIRoute asks for.`,
    403,
  ),

  backend_unavailable: ours(
    503,
    false,
    (rule) =>
      `No backend of rule '${rule}' can be used, for example because its Secret is missing: see the AIRoute's conditions.`,
  ),

  credential_unavailable: ours(
    503,
    true,
    (backend, why) => `Backend '${backend}' has no credential that can be sent: ${why}.`,
  ),

  // shape, inspect
  too_many_messages: bad(
    "messages",
    (n, max) => `Too many messages: ${n}, at most ${max} (rules[].request.limits.messages).`,
  ),
  input_too_long: bad(
    "messages",
    (n, max) =>
      `The input may have up to ${n} tokens, at most ${max} are allowed (rules[].request.limits.inputTokens).`,
  ),
  output_over_limit: bad(
    "max_tokens",
    (n, max) =>
      `The request asks for up to ${n} output tokens, at most ${max} are allowed (rules[].request.limits.outputTokens).`,
  ),
  too_many_choices: bad(
    "n",
    (n, max) => `The request asks for ${n} choices, at most ${max} are allowed (rules[].request.limits.choices).`,
  ),

  // admit
  rate_limit_exceeded: {
    status: 429,
    type: "rate_limit_exceeded",
    param: null,
    retry: true,
    text: (why) => `Rate limit reached: ${why}`,
  },
  request_too_large_for_limit: {
    status: 429,
    type: "rate_limit_exceeded",
    param: null,
    retry: false,
    text: (why) => `This request alone is larger than the limit: ${why}`,
  },
  insufficient_quota: {
    status: 429,
    type: "insufficient_quota",
    param: null,
    retry: false,
    text: (why) => `Budget spent: ${why}`,
  },
  too_many_groups: bad(
    null,
    (quota, n, max) =>
      `Quota ${quota} counts by group, and the caller is in ${n} groups: at most ${max} can be counted. Have the issuer name fewer groups, or count by Tenant or User.`,
    403,
  ),
  too_many_limits: bad(
    null,
    (n, max) =>
      `This request meets ${n} limits, each group of the caller's counted: at most ${max} can be counted at once. Fewer quotas, limits or groups are the remedy.`,
    403,
  ),
  price_unknown: bad(
    "model",
    (model) => `Model '${model}' has no price, and a Cost limit applies: set spec.models[].pricing of the AIRoute.`,
    403,
  ),
  usage_unbounded: bad(
    null,
    (what, limit, remedy) =>
      `Nobody can say beforehand what this request may use, because of ${what}, and ${limit} counts that: ${remedy}.`,
    403,
  ),
  quota_store_unavailable: ours(503, true, () => "Quotas cannot be checked now: the quota store is not reachable."),
  not_in_cache: ours(504, false, () => "The answer is not in the cache (Cache-Control: only-if-cached)."),

  // record
  audit_unavailable: ours(503, true, () => "The call cannot be recorded now, so it was not made."),

  // call, stream
  upstream_connect_failed: upstream(502, true, (why) => `The provider cannot be reached: ${why}.`),
  upstream_connect_timeout: upstream(
    504,
    true,
    (ms) => `The provider did not accept a connection within ${ms} ms (timeouts.connect).`,
  ),
  upstream_first_byte_timeout: upstream(
    504,
    false,
    (ms) => `The provider did not begin to answer within ${ms} ms (timeouts.firstByte).`,
  ),
  upstream_idle_timeout: upstream(504, false, (ms) => `The provider sent nothing for ${ms} ms (timeouts.idle).`),
  upstream_total_timeout: upstream(504, false, (ms) => `The provider did not finish within ${ms} ms (timeouts.total).`),
  upstream_reset: upstream(502, true, () => "The provider closed the connection before it answered."),
  upstream_truncated: upstream(502, false, () => "The provider's answer ended before it was complete."),
  upstream_invalid_answer: upstream(502, false, (why) => `The provider's answer is not usable: ${why}.`),
  upstream_too_large: upstream(502, false, (what) => `The provider's answer is too large: ${what}.`),
  upstream_redirect: upstream(502, false, () => "The provider answered with a redirect, which is never followed."),
  upstream_error: upstream(500, true, (status) => `The provider failed with status ${status}.`),
  client_stalled: ours(408, false, () => "The client stopped reading."),

  // the sidecar itself
  draining: ours(503, true, () => "The sidecar is shutting down."),
  internal_error: ours(500, false, () => "The sidecar failed; the call was not completed. Its log has the cause."),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorCatalogue;

/** A refusal or failure that the client sees. `cause` is for the log, never for the client. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly retry: boolean;
  /** Absent: the answer carries none, unless the row may be retried (then 1 s). */
  readonly retryAfterMs: number | undefined;
  readonly headers: readonly (readonly [string, string])[];
  constructor(
    code: ErrorCode,
    words: readonly string[] = [],
    options: {
      cause?: unknown;
      param?: string;
      status?: number;
      retry?: boolean;
      retryAfterMs?: number;
      headers?: readonly (readonly [string, string])[];
    } = {},
  ) {
    const row: ErrorRow = errorCatalogue[code];
    super(row.text(...words), { cause: options.cause });
    this.code = code;
    this.status = options.status ?? row.status;
    this.type = row.type;
    this.param = options.param ?? row.param;
    this.retry = options.retry ?? row.retry;
    this.retryAfterMs = options.retryAfterMs;
    this.headers = options.headers ?? [];
  }
}

/** The error to throw: the only way in which a stage refuses. `words`: what the row's sentence is made of. */
export const refuse = (code: ErrorCode, ...words: string[]): GatewayError => new GatewayError(code, words);

/** Longest wait that we ask a client for, in ms: the Node SDK ignores longer ones, so beyond it a retry is refused instead. */
export const retryAfterMsMax = 60_000;

/** The provider's error body for it: `{"error":{message,type,param,code}}`, all four keys present. */
export const errorBody = (error: GatewayError): string =>
  JSON.stringify({ error: { message: error.message, type: error.type, param: error.param, code: error.code } });

/**
 * The headers that make the official SDKs do what the catalogue says: `x-should-retry` decides, `retry-after-ms` wins over
 * `retry-after`, which is whole seconds from 1 to 60.
 */
export function errorHeaders(error: GatewayError): [string, string][] {
  const waitMs = error.retryAfterMs ?? 1000;
  const retry = error.retry && waitMs <= retryAfterMsMax;
  const headers: [string, string][] = [["x-should-retry", retry ? "true" : "false"]];
  const carriesWait = retry && (error.status === 429 || error.status === 503);
  if ((carriesWait || error.retryAfterMs !== undefined) && Number.isFinite(waitMs)) {
    headers.push(["retry-after", String(Math.max(1, Math.ceil(waitMs / 1000)))]);
    if (retry) headers.push(["retry-after-ms", String(Math.max(1, Math.ceil(waitMs)))]);
  }
  for (const [name, value] of error.headers) headers.push([name, value]);
  return headers;
}
