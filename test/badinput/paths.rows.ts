/** URLs that a server behind the sidecar might read in another way than the sidecar does, and those of both dialects. */
import type { Row } from "../fixtures/bad-input.ts";

/** One request target, sent as it stands. */
export interface PathRow extends Row {
  readonly method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH" | "HEAD" | "OPTIONS";
  readonly target: string;
  /** An error of ours; or the path that the provider is asked for (GET /models is answered by the sidecar itself: ""). */
  readonly want: readonly [status: number, code: string] | string;
}

const badUrl = [400, "invalid_url"] as const;
const broken = [400, "malformed_http"] as const;
const unknown = [404, "unknown_endpoint"] as const;
const wrongMethod = [405, "method_not_allowed"] as const;
const post = (target: string, want: PathRow["want"], name = target): PathRow => ({
  name,
  method: "POST",
  target,
  want,
});
const get = (target: string, want: PathRow["want"], name = target): PathRow => ({ name, method: "GET", target, want });
const by = (method: PathRow["method"], target: string, want: PathRow["want"]): PathRow => ({
  name: `${method} ${target}`,
  method,
  target,
  want,
});
const chat = "/v1/chat/completions";

/** All of them. */
export const pathRows: readonly PathRow[] = [
  // dots, slashes, escapes: one canonical form only
  post("/v1/../v1/chat/completions", badUrl),
  post("/v1/./chat/completions", badUrl),
  post("/v1/chat/completions/..", badUrl),
  post("/v1/files/../chat/completions", badUrl),
  post("//v1/chat/completions", badUrl),
  post("/v1//chat/completions", badUrl),
  post("/v1/chat/completions/", badUrl),
  post("/v1/chat%2fcompletions", badUrl),
  post("/v1/chat%2Fcompletions", badUrl),
  post("/v1/%63hat/completions", badUrl),
  post("/v1/chat/completions%00", badUrl),
  post("/v1/chat/completions%0d%0aX-A:%20b", badUrl),
  post("/v1/%2e%2e/admin", badUrl),
  post("/v1/%252e%252e/admin", badUrl),
  post("/v1/chat/completions%", badUrl),
  post("/v1/chat/completions%zz", badUrl),
  post("/v1/chat;a=b/completions", badUrl),
  post("/v1/chat/completions;jsessionid=1", badUrl),
  post("/v1\\chat\\completions", badUrl),
  post("/v1/chat/completions#fragment", badUrl),
  post("/v1/chat/c\xf6mpletions", broken, "a byte that is no ASCII"),
  post("/v1/\u00e2\u0080\u00ae/completions", broken, "a bidi override"),
  get(`/v1/files/${"f".repeat(257)}`, badUrl, "an id of 257 characters"),
  get(`/v1/${"files/".repeat(1_400)}`, badUrl, "a path of 8 KiB"),
  post("*", badUrl),
  // names are as they are written
  post("/V1/chat/completions", unknown),
  post("/v1/Chat/Completions", unknown),
  post("/v1/CHAT/COMPLETIONS", unknown),
  post("/", badUrl),
  post("/v1", unknown),
  post("/v2/chat/completions", unknown),
  post("/chat/completions", unknown),
  post("/openai", unknown),
  post("/openai/deployments/gpt-4o", unknown),
  post("/openai/deployments/../chat/completions", badUrl),
  post("/openai/deployments/gpt%2F4o/chat/completions?api-version=2024-10-21", badUrl),
  get("/v1/organization/projects", unknown),
  get("/v1/admin/api_keys", unknown),
  post("/v1/threads", unknown),
  get("/v1/models/a/b", unknown),
  // methods
  by("DELETE", chat, wrongMethod),
  by("PUT", chat, wrongMethod),
  by("PATCH", chat, wrongMethod),
  by("OPTIONS", chat, wrongMethod),
  by("HEAD", "/v1/models", wrongMethod),
  by("POST", "/v1/models", wrongMethod),
  // queries
  post(`${chat}?model=gpt-5`, badUrl),
  post(`${chat}?MODEL=gpt-5`, badUrl),
  post(`${chat}?%6dodel=gpt-5`, badUrl),
  post(`${chat}?a=1&+model=gpt-5`, badUrl),
  post(`${chat}?deployment-id=gpt-5`, badUrl),
  post(`${chat}?engine=gpt-5`, badUrl),
  post(`${chat}?a=%zz&%=b`, badUrl),
  post(`${chat}?a=b c`.replace(" ", "\xa0"), broken, "a query with a byte that is no ASCII"),
  post(`${chat}?a=${"b".repeat(9_000)}`, badUrl, "a query of 9,000 characters"),
  post(`${chat}?`, chat),
  post(`${chat}?a=b&api-version=2020-01-01`, `${chat}?a=b`),
  post(`${chat}?stream=true`, `${chat}?stream=true`),
  // both dialects
  post("/openai/v1/chat/completions", chat),
  post("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", chat),
  post("/v1/deployments/gpt-4o/chat/completions?api-version=2024-10-21", chat),
  post("/openai/deployments/gpt-4o/chat/completions", chat),
  get("/v1/models", ""),
  get("/openai/models?api-version=2024-10-21", ""),
];
