import { describe, expect, test } from "vitest";
import { endpoints } from "../../openai/endpoints.ts";
import { GatewayError } from "../errors.ts";
import { forwardedQuery, matchPath } from "./paths.ts";

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (fault) {
    return fault instanceof GatewayError ? fault.code : String(fault);
  }
  return "passes";
};

describe("matchPath", () => {
  test.each(endpoints.map((endpoint) => [endpoint.method, endpoint.path, endpoint] as const))(
    "finds %s %s",
    (method, path, endpoint) => {
      const match = matchPath(method, `/v1${path.replaceAll("{id}", "id_1")}`);
      expect(match.endpoint).toBe(endpoint);
      expect(match.ids.length).toBe(path.split("{id}").length - 1);
    },
  );

  test.each([
    ["/v1/chat/completions", "openai", undefined, "/chat/completions"],
    ["/openai/v1/chat/completions", "azure", undefined, "/chat/completions"],
    ["/openai/deployments/my-gpt/chat/completions", "azure", "my-gpt", "/chat/completions"],
    ["/v1/deployments/my-gpt/chat/completions", "azure", "my-gpt", "/chat/completions"],
    ["/openai/responses", "azure", undefined, "/responses"],
  ])("%s is understood", (path, dialect, deployment, canonical) => {
    expect(matchPath("POST", path)).toMatchObject({ dialect, deployment, path: canonical });
  });

  test.each([
    ["POST", "/v1/chat/../chat/completions", "invalid_url"],
    ["POST", "/v1/chat%2fcompletions", "invalid_url"],
    ["POST", "/v1//chat/completions", "invalid_url"],
    ["POST", "/v1/chat/completions/", "invalid_url"],
    ["POST", "/v1/chat/completions;x=1", "invalid_url"],
    ["POST", "/v1/chat/completions\u0000", "invalid_url"],
    ["POST", `/v1/${"a".repeat(3000)}`, "invalid_url"],
    ["GET", `/v1/files/${"a".repeat(257)}`, "invalid_url"],
    ["POST", "http://evil/v1/chat/completions", "invalid_url"],
    ["POST", "*", "invalid_url"],
    ["POST", "/V1/chat/completions", "unknown_endpoint"],
    ["POST", "/v1/Chat/Completions", "unknown_endpoint"],
    ["POST", "/v1", "unknown_endpoint"],
    ["POST", "/", "invalid_url"],
    ["POST", "/chat/completions", "unknown_endpoint"],
    ["POST", "/openai/deployments", "unknown_endpoint"],
    ["GET", "/v1/organization/users", "unknown_endpoint"],
    ["GET", "/v1/embeddings", "method_not_allowed"],
    ["POST", "/v1/responses/resp_1", "method_not_allowed"],
  ])("%s %s is refused: %s", (method, path, code) => {
    expect(codeOf(() => matchPath(method, path))).toBe(code);
  });

  test("a literal segment wins over an id", () => {
    expect(matchPath("POST", "/v1/responses/input_tokens").endpoint.operation).toBe("count_tokens");
  });
});

describe("forwardedQuery", () => {
  test.each([
    ["", ""],
    ["api-version=2024-10-21", ""],
    ["limit=2&after=x", "?limit=2&after=x"],
    ["include[]=a&include[]=b&api-version=x", "?include[]=a&include[]=b"],
    ["access_token=eyJ.a.b&limit=2", "?limit=2"],
    ["ACCESS%5Ftoken=eyJ.a.b&api_key=sgk-a&api-key=sgk-a", ""],
  ])("%s travels on as %s", (query, forwarded) => {
    expect(forwardedQuery(query)).toBe(forwarded);
  });

  test.each([
    "model=x",
    "a=1&MODEL=x",
    "mod%65l=x",
    "deployment=x",
    "a=%zz&b=%",
    "%zz=1",
    "a=\u00e9",
    `a=${"x".repeat(9000)}`,
  ])("%s is refused", (query) => {
    expect(codeOf(() => forwardedQuery(query))).toMatch(query === "a=%zz&b=%" ? /passes/ : /invalid_url/);
  });
});
