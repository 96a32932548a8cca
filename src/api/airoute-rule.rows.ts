/** Cases of the rules of AIRoute's schema. */
import { airouteBase } from "./airoute.rows.ts";
import { bad, good, type SchemaRow } from "./rows.ts";

const many = <Value>(length: number, make: (index: number) => Value): Value[] =>
  Array.from({ length }, (_, index) => make(index));
const rule = airouteBase.rules[0];

export const airouteRuleRows: readonly SchemaRow[] = [
  bad("rules may not be empty", { rules: [] }, "rules", "at least 1 entry"),
  bad("rules have unique names", { rules: [rule, rule] }, "rules[1].name", "twice"),
  good("32 rules are allowed", { rules: many(32, (index) => ({ ...rule, name: `r-${index}` })) }),
  bad(
    "33 rules are too many",
    { rules: many(33, (index) => ({ ...rule, name: `r-${index}` })) },
    "rules",
    "at most 32 entries",
  ),
  bad("matches is required", { "rules.0.matches": undefined }, "rules[0].matches", "is required"),
  bad("matches may not be empty", { "rules.0.matches": [] }, "rules[0].matches", "at least 1 entry"),
  bad("a match of nothing is refused", { "rules.0.matches.0": {} }, "rules[0].matches[0]", "models or endpoints"),
  good("a match may have models alone", { "rules.0.matches.0": { models: [{ value: "gpt-4o" }] } }),
  good("a match may have endpoints alone", { "rules.0.matches.0": { endpoints: ["Files"] } }),
  good("a match may name administrative endpoints", {
    "rules.0.matches.0": { endpoints: ["FilesDelete", "VectorStoresDelete", "ChatCompletionsStateDelete", "Batches"] },
  }),
  bad(
    "an unknown endpoint is refused with the right word",
    { "rules.0.matches.0.endpoints": ["ChatCompletion"] },
    "rules[0].matches[0].endpoints[0]",
    "did you mean ChatCompletions?",
  ),
  bad(
    "endpoints may not be empty",
    { "rules.0.matches.0.endpoints": [] },
    "rules[0].matches[0].endpoints",
    "at least 1 entry",
  ),
  bad(
    "an endpoint may stand once",
    { "rules.0.matches.0.endpoints": ["Files", "Files"] },
    "rules[0].matches[0].endpoints[1]",
    "twice",
  ),
  bad(
    "a prefix may not be empty",
    { "rules.0.matches.0.models": [{ type: "Prefix", value: "" }] },
    "rules[0].matches[0].models[0].value",
    "at least 1 character",
  ),
  bad(
    "a model has no white space",
    { "rules.0.matches.0.models": [{ value: "gpt 4o" }] },
    "rules[0].matches[0].models[0].value",
    "letters",
  ),
  good("a model may be a path", { "rules.0.matches.0.models": [{ value: "meta-llama/Llama-3.1-8B-Instruct" }] }),
  good("a fine-tuned model is a model", {
    "rules.0.matches.0.models": [{ value: "ft:gpt-4o-mini-2024-07-18:acme::9abc" }],
  }),
  bad(
    "a kind of match is one of two",
    { "rules.0.matches.0.models.0.type": "Regex" },
    "rules[0].matches[0].models[0].type",
    "must be one of Exact, Prefix",
  ),
  bad("backendRefs may not be empty", { "rules.0.backendRefs": [] }, "rules[0].backendRefs", "at least 1 entry"),
  bad(
    "some weight must be above 0",
    { "rules.0.backendRefs": [{ name: "openai", weight: 0 }] },
    "rules[0].backendRefs",
    "weight above 0",
  ),
  good("one weight may be 0", { "rules.0.backendRefs.1.weight": 0 }),
  bad(
    "a weight is not negative",
    { "rules.0.backendRefs.0.weight": -1 },
    "rules[0].backendRefs[0].weight",
    "at least 0",
  ),
  bad(
    "a weight is at most a million",
    { "rules.0.backendRefs.0.weight": 1_000_001 },
    "rules[0].backendRefs[0].weight",
    "at most 1000000",
  ),
  bad(
    "a priority is at most 15",
    { "rules.0.backendRefs.0.priority": 16 },
    "rules[0].backendRefs[0].priority",
    "at most 15",
  ),
  bad(
    "a priority is whole",
    { "rules.0.backendRefs.0.priority": 1.5 },
    "rules[0].backendRefs[0].priority",
    "whole number",
  ),
  good("defaults and overrides take any JSON", {
    "rules.0.request.defaults": { temperature: 0.5, stop: ["a"], metadata: { a: null } },
    "rules.0.request.overrides": { store: false },
  }),
  bad(
    "an override of model is refused",
    { "rules.0.request.overrides": { model: "x" } },
    "rules[0].request.overrides.model",
    "backendRefs",
  ),
  bad(
    "a default for stream is refused",
    { "rules.0.request.defaults": { stream: true } },
    "rules[0].request.defaults.stream",
    "not allowed",
  ),
  bad(
    "an override of messages is refused",
    { "rules.0.request.overrides": { messages: [] } },
    "rules[0].request.overrides.messages",
    "systemPrompt",
  ),
  bad(
    "an override of input is refused",
    { "rules.0.request.overrides": { input: "x" } },
    "rules[0].request.overrides.input",
    "systemPrompt",
  ),
  bad(
    "65 defaults are too many",
    { "rules.0.request.defaults": Object.fromEntries(many(65, (index) => [`m${index}`, 1])) },
    "rules[0].request.defaults",
    "at most 64",
  ),
  good("a system prompt may be 65,536 characters", { "rules.0.request.systemPrompt": "x".repeat(65_536) }),
  bad(
    "a longer system prompt is refused",
    { "rules.0.request.systemPrompt": "x".repeat(65_537) },
    "rules[0].request.systemPrompt",
    "at most 65536",
  ),
  good("a size may be a number", { "rules.0.request.limits.bodyBytes": 1_048_576 }),
  good("a size may have a suffix", {
    "rules.0.request.limits.bodyBytes": "64M",
    "rules.0.request.limits.jsonBytes": "512Ki",
  }),
  bad(
    "a size of 0 is refused",
    { "rules.0.request.limits.bodyBytes": 0 },
    "rules[0].request.limits.bodyBytes",
    "must be a size",
  ),
  bad(
    "a size beyond its bound is refused",
    { "rules.0.request.limits.jsonBytes": "100Mi" },
    "rules[0].request.limits.jsonBytes",
    "up to 99Mi",
  ),
  bad(
    "a size has no fraction",
    { "rules.0.request.limits.bodyBytes": "1.5Mi" },
    "rules[0].request.limits.bodyBytes",
    "must be a size",
  ),
  bad(
    "choices are at most 128",
    { "rules.0.request.limits.choices": 129 },
    "rules[0].request.limits.choices",
    "at most 128",
  ),
  bad(
    "messages is at least 1",
    { "rules.0.request.limits.messages": 0 },
    "rules[0].request.limits.messages",
    "at least 1",
  ),
  good("token limits are allowed", {
    "rules.0.request.limits.inputTokens": 100_000,
    "rules.0.request.limits.outputTokens": 4096,
  }),
  good("durations may have several groups", { "rules.0.timeouts": { connect: "1s500ms", total: "1h30m" } }),
  bad("a duration has a unit", { "rules.0.timeouts.connect": "5" }, "rules[0].timeouts.connect", "must be a duration"),
  bad("a duration of 0 is refused", { "rules.0.timeouts.idle": "0s" }, "rules[0].timeouts.idle", "from 1ms to 24h"),
  bad(
    "a duration beyond its bound is refused",
    { "rules.0.timeouts.total": "24h1ms" },
    "rules[0].timeouts.total",
    "from 1ms to 24h",
  ),
  bad("a duration has no days", { "rules.0.timeouts.total": "1d" }, "rules[0].timeouts.total", "must be a duration"),
  good("no retry is allowed", { "rules.0.retry": { attempts: 0 } }),
  bad("four retries are too many", { "rules.0.retry": { attempts: 4 } }, "rules[0].retry.attempts", "at most 3"),
  bad("a cache needs its kind", { "rules.0.cache": {} }, "rules[0].cache.exact", "is required"),
  bad("a cache needs a ttl", { "rules.0.cache": { exact: {} } }, "rules[0].cache.exact.ttl", "is required"),
  bad(
    "a ttl is at least a second",
    { "rules.0.cache.exact.ttl": "500ms" },
    "rules[0].cache.exact.ttl",
    "from 1s to 24h",
  ),
  good("a cache may be shared by the route", {
    "rules.0.cache": { exact: { ttl: "1h", when: "Always" }, partition: "Route" },
  }),
  bad("a partition is one of five", { "rules.0.cache.partition": "Pod" }, "rules[0].cache.partition", "must be one of"),
];
