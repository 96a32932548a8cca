import type { Call, JsonReply } from "./call.ts";
import type { ErrorBody } from "./failures.ts";
import { ApiFault, replyToFault } from "./failures.ts";
import { textOf } from "./json-values.ts";

const request = "invalid_request_error";
const server = "server_error";

const serverSentence =
  "The server had an error while processing your request. Sorry about that! You can retry your request, or contact us " +
  "through our help center at help.openai.com if the error persists.";
const azureRateSentence =
  "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your " +
  "current OpenAI S0 pricing tier. Please retry after 1 second. Please go here: https://aka.ms/oai/quotaincrease if " +
  "you would like to further increase the default rate limit.";
const keySentence =
  "Incorrect API key provided: bad-key. You can find your API key at https://platform.openai.com/account/api-keys.";
const quotaSentence =
  "You exceeded your current quota, please check your plan and billing details. For more information on this error, " +
  "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";

/** The provider's body per status, where no code is asked for. */
const byStatus: Readonly<Record<number, readonly [type: string, code: string | null, message: string]>> = {
  400: [request, null, "Invalid request."],
  401: [request, "invalid_api_key", keySentence],
  403: ["request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"],
  404: [request, "model_not_found", "The model `gpt-missing` does not exist or you do not have access to it."],
  408: [server, null, "Request timed out."],
  409: [request, "conflict", "The resource was updated by another process."],
  413: [server, null, "413: Maximum content size limit (26214400) exceeded (26257152 bytes read)"],
  422: [request, null, "Unable to process the request: the entity has semantic errors."],
  429: ["tokens", "rate_limit_exceeded", "Rate limit reached"],
  500: [server, null, serverSentence],
  502: ["cf_bad_gateway", null, "Bad gateway."],
  503: [server, null, "The server is overloaded or not ready yet."],
  504: ["cf_gateway_timeout", null, "Gateway timeout."],
  529: [server, "server_is_overloaded", "The engine is currently overloaded, please try again later"],
};

interface CodeRow {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly param?: string;
}

const money = (message: string): CodeRow => ({ status: 429, type: "insufficient_quota", message });

/** The provider's body per code; the status stands when the behaviour names none. */
const byCode: Readonly<Record<string, CodeRow>> = {
  insufficient_quota: money(quotaSentence),
  credit_balance_exhausted: money("Your credit balance is exhausted. Please add credits to continue."),
  organization_spend_limit_exceeded: money("Your organization has reached its monthly spend limit."),
  project_spend_limit_exceeded: money("Your project has reached its monthly spend limit."),
  organization_usage_limit_exceeded: money("Your organization has reached its usage limit."),
  rate_limit_exceeded: { status: 429, type: "tokens", message: "Rate limit reached" },
  slow_down: { status: 503, type: server, message: "Slow down. Please reduce your request rate." },
  server_is_overloaded: { status: 503, type: server, message: "Our servers are currently overloaded." },
  context_length_exceeded: {
    status: 400,
    type: request,
    param: "messages",
    message:
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens. " +
      "Please reduce the length of the messages.",
  },
  model_not_found: {
    status: 404,
    type: request,
    message: "The model `gpt-missing` does not exist or you do not have access to it.",
  },
  invalid_api_key: { status: 401, type: request, message: keySentence },
  string_above_max_length: {
    status: 400,
    type: request,
    param: "messages[0].content",
    message: "Invalid 'messages[0].content': string too long.",
  },
};

const filtered = (severity: string) => ({ filtered: severity === "high", severity });

/** Azure's answer to a prompt that its content filter stops. */
const contentFilterReply = (): JsonReply => ({
  kind: "json",
  status: 400,
  body: {
    error: {
      message:
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please " +
        "modify your prompt and retry. To learn more about our content filtering policies please read our " +
        "documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
      type: null,
      param: "prompt",
      code: "content_filter",
      status: 400,
      innererror: {
        code: "ResponsibleAIPolicyViolation",
        content_filter_result: {
          hate: filtered("safe"),
          jailbreak: { filtered: false, detected: false },
          self_harm: filtered("safe"),
          sexual: filtered("safe"),
          violence: filtered("high"),
        },
      },
    },
  },
});

const rateSentence = (model: string): string =>
  `Rate limit reached for ${model} in organization org-fake on tokens per min (TPM): Limit 30000, Used 29500, ` +
  "Requested 1200. Please try again in 1.4s. Visit https://platform.openai.com/account/rate-limits to learn more.";

/** Error body for a status and a code as the provider writes it; unknown codes keep the sentence of the status. */
export function errorBodyFor(status: number, code: string | undefined, model: string): ErrorBody {
  const row = code === undefined ? undefined : byCode[code];
  const [type, statusCode, sentence] = byStatus[status] ?? [status >= 500 ? server : request, null, "Unknown error."];
  const message = row?.message ?? sentence;
  return {
    message: message === "Rate limit reached" ? rateSentence(model) : message,
    type: row?.type ?? type,
    param: row?.param ?? null,
    code: code ?? statusCode,
  };
}

const azureSentences: Readonly<Record<number, string>> = {
  401:
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an " +
    "active subscription and use a correct regional API endpoint for your resource.",
  403: "Access denied due to Virtual Network/Firewall rules.",
  404: "Resource not found",
  429: azureRateSentence,
  500: "Internal server error",
  503: "The service is temporarily unable to process your request. Please try again later.",
};

/** The scripted error of a call, absent when its behaviour asks for none. */
export function askedFailure(call: Call): JsonReply | undefined {
  const { behaviour, dialect } = call;
  if (behaviour.redirect !== undefined) {
    const status = behaviour.status ?? 307;
    return { kind: "json", status, body: {}, headers: { location: behaviour.redirect } };
  }
  if (behaviour.code === "content_filter") return contentFilterReply();
  const status = behaviour.status ?? (behaviour.code === undefined ? 200 : (byCode[behaviour.code]?.status ?? 400));
  if (status < 300) return undefined;
  const model = call.deployment ?? textOf(call.json.model) ?? "gpt-4o";
  const error = errorBodyFor(status, behaviour.code, model);
  const isAzureOwn = dialect === "azure" && behaviour.code === undefined;
  const message = isAzureOwn ? (azureSentences[status] ?? error.message) : error.message;
  const reply = replyToFault(new ApiFault(status, { ...error, message }), dialect);
  const hasWait = behaviour["retry-after"] !== undefined || behaviour["retry-after-ms"] !== undefined;
  if (status !== 429 || dialect !== "azure" || hasWait) return reply;
  return { ...reply, headers: { "retry-after": "1", "retry-after-ms": "1000" } };
}
