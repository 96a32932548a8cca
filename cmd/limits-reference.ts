/** The reference page of the sidecar's limits, from the constants that the code itself uses. */
import { callerValueLengthMax, callerValuesMax } from "../src/config/caller.ts";
import { whenCharsMax } from "../src/config/quota.ts";
import { keysWaitMsMax } from "../src/sidecar/caller/check.ts";
import { jwksKeysMax } from "../src/sidecar/caller/issuer-documents.ts";
import { keysFreshMs, keysKeptMs, missIntervalMs } from "../src/sidecar/caller/issuer-keys.ts";
import { retryAfterMsMax } from "../src/sidecar/errors.ts";
import { clockLeewayMs } from "../src/sidecar/identity/claims.ts";
import { unknownKeyKeptMs } from "../src/sidecar/identity/pod-proof.ts";
import { tokenBytesMax } from "../src/sidecar/identity/token.ts";
import { jsonLimitsDefault } from "../src/sidecar/json/scan.ts";
import { streamsPerConnectionMax } from "../src/sidecar/listener/http2-server.ts";
import { bindRetryMs, podConnectionsMax } from "../src/sidecar/listener/pod-port.ts";
import { handshakeTimeoutMs } from "../src/sidecar/listener/terminator.ts";
import { userAgentCharsMax } from "../src/sidecar/listener/user-agents.ts";
import { pathCharsMax, queryCharsMax } from "../src/sidecar/openai/paths.ts";
import { sseEventBytesMax } from "../src/sidecar/openai/sse.ts";
import { sizesMax } from "../src/sidecar/quota/output-sizes.ts";
import { outputGrantTokensMin } from "../src/sidecar/quota/reservation.ts";
import { pendingSettlementsMax } from "../src/sidecar/quota/settler.ts";
import { localHoldsMax } from "../src/sidecar/quota/share/ledger.ts";
import { refreshMs, sharesMax } from "../src/sidecar/quota/share/local-shares.ts";
import { sliceMs } from "../src/sidecar/quota/slices/slice.ts";
import { slicedCountersMax } from "../src/sidecar/quota/slices/slice-store.ts";
import { spreadMsMax } from "../src/sidecar/quota/slices/spread.ts";
import { groupsCountedMax } from "../src/sidecar/quota/subject.ts";
import { bodyTimeoutMs, clientKeepAliveMs, headBytesMax, headTimeoutMs } from "../src/sidecar/server.ts";
import { auditQueueRecordsMax, auditWriteTimeoutMs } from "../src/sidecar/sinks/lines.ts";
import { headerFieldsMax } from "../src/sidecar/stages/accept.ts";
import { claimsMax } from "../src/sidecar/stores/claims.ts";
import { rememberedMax } from "../src/sidecar/stores/loss-journal.ts";
import { cacheBytesMaxDefault } from "../src/sidecar/stores/memory/cache.ts";
import { memoryEntriesMaxDefault } from "../src/sidecar/stores/memory/quota.ts";
import { consecutiveFailuresMax } from "../src/sidecar/stores/redis/breaker.ts";
import { commandTimeoutMsDefault } from "../src/sidecar/stores/redis/connection.ts";
import { orphansMaxDefault } from "../src/sidecar/stores/redis/orphans.ts";
import { twoLegsMax } from "../src/sidecar/stores/redis/two-legs.ts";
import { decodedBytesFree, decodedRatioMax } from "../src/sidecar/upstream/decoder.ts";
import { documentBytesMax, documentMsMax } from "../src/sidecar/upstream/document.ts";
import { answerJsonBytesMax, cacheAnswerBytesMax } from "../src/sidecar/upstream/json-sink.ts";
import { connectionsMax } from "../src/sidecar/upstream/pools.ts";
import { stalledClientMs } from "../src/sidecar/upstream/stream-sink.ts";
import { restMsMax } from "../src/sidecar/upstream/targets.ts";
import { note, table } from "./reference.ts";

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
  ["whenCharsMax", whenCharsMax, "characters of a quota's `when`", "refused at validation"],
  [
    "claimsMax",
    claimsMax,
    "limits that one request meets, groups counted",
    "403 `too_many_limits`; mode Audit: not counted",
  ],
  [
    "groupsCountedMax",
    groupsCountedMax,
    "groups of a caller under a quota per Group",
    "403 `too_many_groups`; mode Audit: the first by name",
  ],
  [
    "sizesMax",
    sizesMax,
    "models and endpoints whose outputs are learned for `P99`",
    "the least recently used goes; held as `Cap`",
  ],
  ["rememberedMax", rememberedMax, "charges that are told again after a failover", "the oldest is forgotten"],
  ["twoLegsMax", twoLegsMax, "running requests whose hold has two legs", "the oldest leg ends with its lease"],
  ["sharesMax", sharesMax, "counters under LocalShare of which a part is held", "429 while the store is away"],
  ["localHoldsMax", localHoldsMax, "requests at a time that shares have admitted", "429 `rate_limit_exceeded`"],
  ["refreshMs", refreshMs, "ms that what LocalShare knows of a counter may be old", "see quota-failures.md"],
  [
    "slicedCountersMax",
    slicedCountersMax,
    "counters under Leased that are looked at for slices",
    "decided in Redis, as Exact",
  ],
  ["sliceMs", sliceMs, "ms that a slice is admitted from", "given back"],
  ["spreadMsMax", spreadMsMax, "ms that a request waits at the start of a slot for its sidecar's turn", "asked then"],
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
