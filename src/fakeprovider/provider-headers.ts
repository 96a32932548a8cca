import type { Call } from "./call.ts";

const fillerBytesMax = 4096;

const openaiHeaders = {
  "access-control-expose-headers": "X-Request-ID",
  "openai-organization": "org-fake",
  "openai-project": "proj_fake",
  "openai-version": "2020-10-01",
  "x-ratelimit-limit-requests": "10000",
  "x-ratelimit-limit-tokens": "2000000",
  "x-ratelimit-remaining-requests": "9999",
  "x-ratelimit-remaining-tokens": "1999984",
  "x-ratelimit-reset-requests": "6ms",
  "x-ratelimit-reset-tokens": "120ms",
  "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
  "x-content-type-options": "nosniff",
  "cf-cache-status": "DYNAMIC",
  server: "cloudflare",
  "alt-svc": 'h3=":443"; ma=86400',
} as const;

const azureHeaders = {
  "x-ms-region": "East US",
  "x-ratelimit-limit-requests": "1000",
  "x-ratelimit-limit-tokens": "100000",
  "x-ratelimit-remaining-requests": "999",
  "x-ratelimit-remaining-tokens": "99984",
  "x-ms-rai-invoked": "true",
  "azureml-model-session": "d200-fake",
  "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
  "x-content-type-options": "nosniff",
} as const;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** Headers that a provider puts on every answer, then those its behaviour asks for. Keys are lower-case. */
export function providerHeaders(call: Call): Record<string, string> {
  const processingMs = String(20 + ((call.ordinal * 7) % 200));
  const headers: Record<string, string> =
    call.dialect === "azure"
      ? {
          "apim-request-id": `${hex(call.ordinal, 8)}-fa4e-4000-8000-${hex(call.createdSeconds, 12)}`,
          "x-request-id": `${hex(call.ordinal, 8)}-fa4e-4000-9000-${hex(call.createdSeconds, 12)}`,
          "x-envoy-upstream-service-time": processingMs,
          ...azureHeaders,
        }
      : {
          "x-request-id": call.newId("req_"),
          "openai-processing-ms": processingMs,
          "x-envoy-upstream-service-time": processingMs,
          "set-cookie": `__cf_bm=fake${call.ordinal}; path=/; domain=.api.openai.com; HttpOnly; Secure; SameSite=None`,
          "cf-ray": `${hex(call.ordinal, 16)}-FRA`,
          ...openaiHeaders,
        };
  const { behaviour } = call;
  for (const name of ["retry-after", "retry-after-ms"] as const) {
    const value = behaviour[name];
    if (value !== undefined) headers[name] = value;
  }
  if (behaviour["should-retry"] !== undefined) headers["x-should-retry"] = behaviour["should-retry"];
  if (behaviour.header !== undefined) {
    const colon = behaviour.header.indexOf(":");
    if (colon > 0) headers[behaviour.header.slice(0, colon).toLowerCase()] = behaviour.header.slice(colon + 1).trim();
  }
  for (let left = behaviour["header-bytes"] ?? 0, i = 0; left > 0; left -= fillerBytesMax, i += 1) {
    headers[`x-fake-filler-${i}`] = "f".repeat(Math.min(left, fillerBytesMax));
  }
  if (behaviour.close === true) headers.connection = "close";
  return headers;
}
