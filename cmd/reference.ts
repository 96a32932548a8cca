/** Reference pages of the sidecar, from the tables that the code itself uses. */
import { callerValueLengthMax, callerValuesMax } from "../src/config/caller.ts";
import { keysWaitMsMax } from "../src/sidecar/caller/check.ts";
import { jwksKeysMax } from "../src/sidecar/caller/issuer-documents.ts";
import { keysFreshMs, keysKeptMs, missIntervalMs } from "../src/sidecar/caller/issuer-keys.ts";
import { callerReasons } from "../src/sidecar/caller/reasons.ts";
import type { ErrorRow } from "../src/sidecar/error-row.ts";
import { errorCatalogue, retryAfterMsMax } from "../src/sidecar/errors.ts";
import { clockLeewayMs } from "../src/sidecar/identity/claims.ts";
import { unknownKeyKeptMs } from "../src/sidecar/identity/pod-proof.ts";
import { identityReasons } from "../src/sidecar/identity/reasons.ts";
import { tokenBytesMax } from "../src/sidecar/identity/token.ts";
import { jsonLimitsDefault } from "../src/sidecar/json/scan.ts";
import { streamsPerConnectionMax } from "../src/sidecar/listener/http2-server.ts";
import { bindRetryMs, podConnectionsMax } from "../src/sidecar/listener/pod-port.ts";
import { handshakeTimeoutMs } from "../src/sidecar/listener/terminator.ts";
import { userAgentCharsMax } from "../src/sidecar/listener/user-agents.ts";
import { metricCatalogue } from "../src/sidecar/metric-catalogue.ts";
import { pathCharsMax, queryCharsMax } from "../src/sidecar/openai/paths.ts";
import { sseEventBytesMax } from "../src/sidecar/openai/sse.ts";
import { outputGrantTokensMin } from "../src/sidecar/quota/reservation.ts";
import { pendingSettlementsMax } from "../src/sidecar/quota/settler.ts";
import { bodyTimeoutMs, clientKeepAliveMs, headBytesMax, headTimeoutMs } from "../src/sidecar/server.ts";
import { settingsTable } from "../src/sidecar/settings.ts";
import { auditQueueRecordsMax, auditWriteTimeoutMs } from "../src/sidecar/sinks/lines.ts";
import { headerFieldsMax } from "../src/sidecar/stages/accept.ts";
import { cacheBytesMaxDefault } from "../src/sidecar/stores/memory/cache.ts";
import { memoryEntriesMaxDefault } from "../src/sidecar/stores/memory/quota.ts";
import { consecutiveFailuresMax } from "../src/sidecar/stores/redis/breaker.ts";
import { commandTimeoutMsDefault } from "../src/sidecar/stores/redis/connection.ts";
import { orphansMaxDefault } from "../src/sidecar/stores/redis/orphans.ts";
import { decodedBytesFree, decodedRatioMax } from "../src/sidecar/upstream/decoder.ts";
import { documentBytesMax, documentMsMax } from "../src/sidecar/upstream/document.ts";
import { answerJsonBytesMax, cacheAnswerBytesMax } from "../src/sidecar/upstream/json-sink.ts";
import { connectionsMax } from "../src/sidecar/upstream/pools.ts";
import { stalledClientMs } from "../src/sidecar/upstream/stream-sink.ts";
import { restMsMax } from "../src/sidecar/upstream/targets.ts";

/** Says at the top of a page that it is generated. */
export const note = "<!-- Written by `node cmd/generate.ts` from the code; do not edit. -->";
/** A table of Markdown. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");

/** Every error that a client can see. */
export const errorsPage = (): string => `# Errors

${note}

Every error of the sidecar's own has the provider's shape, \`{"error": {"message", "type", "param", "code"}}\`, and says with
\`x-should-retry\` whether the official SDKs may try again. A provider's own error comes back as it was. In a stream the same
object is an event: \`data: {"error": ...}\` for chat, \`event: error\` for responses.

${table(
  ["Code", "Status", "Type", "Param", "Retried by SDKs", "Message"],
  Object.entries<ErrorRow>(errorCatalogue).map(([code, row]) => [
    `\`${code}\``,
    String(row.status),
    `\`${row.type}\``,
    row.param === null ? "" : `\`${row.param}\``,
    row.retry ? "yes" : "no",
    row.text("…", "…", "…"),
  ]),
)}
`;

/** Every metric. */
export const metricsPage = (): string => `# Metrics

${note}

On the admin port, \`/metrics\`, in Prometheus' format. Label sets are closed: a label never
holds a text that a client chose. Histograms \`gen_ai_client_*\` follow OpenTelemetry's GenAI conventions.

${table(
  ["Metric", "Meaning"],
  Object.entries(metricCatalogue).map(([name, help]) => [`\`${name}\``, help]),
)}
`;

/** The sidecar's environment. */
export const settingsPage = (): string => `# Settings of the sidecar

${note}

Read once at the start. A variable that is missing or wrong ends the start with all faults at once.

${table(
  ["Variable", "Default", "Meaning"],
  Object.entries(settingsTable).map(([name, [fallback, sentence]]) => [
    `\`${name}\``,
    fallback === undefined ? "required" : fallback === "" ? "empty" : `\`${fallback}\``,
    sentence,
  ]),
)}
`;

const limitRows: readonly (readonly [string, number | string, string, string])[] = [
  ["headBytesMax", headBytesMax, "bytes of a request's head", "431 `headers_too_large`"],
  ["headerFieldsMax", headerFieldsMax, "header fields of a request", "431 `headers_too_large`"],
  ["pathCharsMax", pathCharsMax, "characters of a path", "400 `invalid_url`"],
  ["queryCharsMax", queryCharsMax, "characters of a query", "400 `invalid_url`"],
  ["headTimeoutMs", headTimeoutMs, "ms for a request's head to arrive", "408 `request_timeout`"],
  ["bodyTimeoutMs", bodyTimeoutMs, "ms for a whole request to arrive", "408 `request_timeout`"],
  ["handshakeTimeoutMs", handshakeTimeoutMs, "ms for a TLS handshake", "the connection is closed"],
  ["podConnectionsMax", podConnectionsMax, "connections from other pods", "more are closed at once"],
  ["streamsPerConnectionMax", streamsPerConnectionMax, "requests at a time on an HTTP/2 connection", "REFUSED_STREAM"],
  ["bindRetryMs", bindRetryMs, "ms until a port that cannot be had is tried again", "tried again"],
  [
    "userAgentCharsMax",
    userAgentCharsMax,
    "characters of a `user-agent` that is compared",
    "403 `user_agent_not_allowed`",
  ],
  ["limits.bodyBytes, jsonBytes, messages, n ...", "AIRoute", "set for each rule", "see the AIRoute reference"],
  ["JSON depthMax", jsonLimitsDefault.depthMax, "levels of nesting", "400 `invalid_json`"],
  ["JSON keysMax", jsonLimitsDefault.keysMax, "keys of a body", "400 `invalid_json`"],
  ["JSON valuesMax", jsonLimitsDefault.valuesMax, "values of a body", "400 `invalid_json`"],
  ["tokenBytesMax", tokenBytesMax, "bytes of the pod's token", "403 `identity_refused`: `token_too_large`"],
  ["clockLeewayMs", clockLeewayMs, "ms that clocks may differ when a token is judged", "403 `identity_refused`"],
  [
    "unknownKeyKeptMs",
    unknownKeyKeptMs,
    "ms that a verified identity is kept while the token's key is unknown",
    "403 `identity_refused`: `key_unknown`",
  ],
  ["tokenBytesMax", tokenBytesMax, "characters of a caller's token", "401 `bearer_refused`: `token_too_large`"],
  ["callerValuesMax", callerValuesMax, "roles, and groups, of a caller", "401 `bearer_refused`: `groups_too_many`"],
  [
    "callerValueLengthMax",
    callerValueLengthMax,
    "characters of a caller's user, tenant, role or group",
    "401 `bearer_refused`: `user_too_long`",
  ],
  ["keysFreshMs", keysFreshMs, "ms after which an issuer's keys are fetched anew", "in the background"],
  ["keysKeptMs", keysKeptMs, "ms that an issuer's keys are used which cannot be renewed", "503 `issuer_unavailable`"],
  [
    "missIntervalMs",
    missIntervalMs,
    "ms between fetches that tokens with unknown keys cause",
    "401 `bearer_refused`: `key_unknown`",
  ],
  ["keysWaitMsMax", keysWaitMsMax, "ms that a request waits for an issuer's keys", "503 `issuer_unavailable`"],
  ["documentMsMax", documentMsMax, "ms for a document of an issuer", "not taken; the keys that are there stay"],
  ["documentBytesMax", documentBytesMax, "bytes of a document of an issuer", "not taken; the keys that are there stay"],
  ["jwksKeysMax", jwksKeysMax, "keys of an issuer", "not taken; the keys that are there stay"],
  ["outputGrantTokensMin", outputGrantTokensMin, "tokens of output below which a nearly spent quota refuses", "429"],
  [
    "retryAfterMsMax",
    retryAfterMsMax,
    "ms that a client is asked to wait at most",
    "beyond it `x-should-retry: false`",
  ],
  ["connectionsMax", connectionsMax, "connections to one provider origin", "calls wait for a free one"],
  ["restMsMax", restMsMax, "ms that a Retry-After keeps a backend out of the first place", "capped"],
  ["answerJsonBytesMax", answerJsonBytesMax, "bytes of a JSON answer", "502 `upstream_too_large`"],
  ["sseEventBytesMax", sseEventBytesMax, "bytes of one event of a stream", "error frame `upstream_too_large`"],
  [
    "decodedRatioMax",
    decodedRatioMax,
    `decoded bytes for each compressed byte, beyond ${decodedBytesFree} bytes`,
    "502 `upstream_too_large`",
  ],
  ["stalledClientMs", stalledClientMs, "ms that a client may stop reading", "the call is ended"],
  ["clientKeepAliveMs", clientKeepAliveMs, "ms that an idle client connection is kept", "closed"],
  ["cacheAnswerBytesMax", cacheAnswerBytesMax, "bytes of an answer that is cached", "not stored"],
  [
    "pendingSettlementsMax",
    pendingSettlementsMax,
    "settlements kept while the store is away",
    "the oldest is dropped: its hold stays charged",
  ],
  [
    "commandTimeoutMsDefault",
    commandTimeoutMsDefault,
    "ms for one Redis command",
    "the quota's `failurePolicy` decides; the cache is skipped",
  ],
  [
    "consecutiveFailuresMax",
    consecutiveFailuresMax,
    "failed Redis commands in a row",
    "the breaker opens: commands fail at once until a probe succeeds",
  ],
  [
    "orphansMaxDefault",
    orphansMaxDefault,
    "reservations without an answer that are released on recovery",
    "older ones expire with their lease",
  ],
  [
    "memoryEntriesMaxDefault",
    memoryEntriesMaxDefault,
    "counters and holds of the memory store",
    "503 `quota_store_unavailable`",
  ],
  ["cacheBytesMaxDefault", cacheBytesMaxDefault, "bytes of the memory cache", "the least recently used answers go"],
  [
    "auditQueueRecordsMax",
    auditQueueRecordsMax,
    "audit records that wait for the disk",
    "503 `audit_unavailable`, or as `audit.onFailure` says",
  ],
  [
    "auditWriteTimeoutMs",
    auditWriteTimeoutMs,
    "ms for one write of audit records",
    "503 `audit_unavailable`, or as `audit.onFailure` says",
  ],
];

/** Every reason for which an identity is refused. */
export const identityRefusalsPage = (): string => `# Codes of refused identities

${note}

With 403 \`identity_refused\`, in \`/status\`, in the route's condition \`Programmed\`, in the log, and as the label \`reason\` of
\`sidegate_identity_refusals_total\`. See [identity](../identity.md).

${table(
  ["Code", "Meaning"],
  Object.entries(identityReasons).map(([code, sentence]) => [`\`${code}\``, sentence]),
)}
`;

/** Every code of a refused caller. */
export const callerRefusalsPage = (): string => `# Codes of refused callers

${note}

With 401 \`bearer_refused\` and 401 \`api_key_refused\`: the message begins with the code, \`www-authenticate\` has it as
\`error_description\`, and it is the label \`reason\` of \`sidegate_caller_refusals_total\`. \`credential_missing\` is 401 \`bearer_missing\`
or \`api_key_missing\`. See [callers](../callers.md).

${table(
  ["Code", "Meaning"],
  Object.entries(callerReasons).map(([code, sentence]) => [`\`${code}\``, sentence]),
)}
`;

/** Every limit of the request path. */
export const limitsPage = (): string => `# Limits

${note}

${table(
  ["Name", "Value", "Of what", "Beyond it"],
  limitRows.map(([name, value, what, beyond]) => [
    `\`${name}\``,
    typeof value === "number" ? value.toLocaleString("en-US") : value,
    what,
    beyond,
  ]),
)}
`;
