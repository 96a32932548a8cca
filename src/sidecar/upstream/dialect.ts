/** How a backend wants to be spoken to: URL, and the edits that its kind of API needs. */
import type { Shaped } from "../exchange.ts";
import type { JsonEdit } from "../json/splice.ts";
import type { Backend } from "./backend.ts";

/** First dated Azure version that knows `stream_options`. Older ones refuse it. */
const azureStreamOptionsSince = "2024-09-01";
/** First dated Azure version that knows `max_completion_tokens`. */
const azureCompletionTokensSince = "2024-09-01";

const isDated = (backend: Backend): boolean => backend.type === "AzureOpenAI" && backend.apiVersion !== "v1";

/** Path and query of a call, e.g. `/openai/deployments/gpt4o/chat/completions?api-version=2024-10-21`. */
export function upstreamPath(backend: Backend, exchange: Shaped, model: string, query: string): string {
  const { endpoint, path } = exchange.match;
  if (backend.type !== "AzureOpenAI") return `${backend.basePath}${path}${query}`;
  if (!isDated(backend)) return `${backend.basePath}/openai/v1${path}${query}`;
  const version = `api-version=${encodeURIComponent(backend.apiVersion)}`;
  const withVersion = query === "" ? `?${version}` : `${query}&${version}`;
  const at = endpoint.azure === "deployment" ? `/openai/deployments/${encodeURIComponent(model)}` : "/openai";
  return `${backend.basePath}${at}${path}${withVersion}`;
}

/** The body's edits for this backend: the model it knows, the cap under the name it takes, usage where it can report it. */
export function targetEdits(
  backend: Backend,
  exchange: Shaped & { sendOutputCap: number | undefined },
  model: string,
): JsonEdit[] {
  const body = exchange.body;
  if (body.kind !== "json") return [];
  const edits = exchange.edits.filter((edit) => !(edit.path[0] === "stream_options" && !takesStreamOptions(backend)));
  if (exchange.match.endpoint.model === "body" && body.document.root.get("model")?.string() !== model) {
    edits.push({ op: "set", path: ["model"], value: JSON.stringify(model) });
  }
  if (exchange.sendOutputCap !== undefined) {
    const member = capMember(backend, exchange.match.endpoint.path);
    if (member) edits.push({ op: "set", path: [member], value: String(exchange.sendOutputCap) });
  }
  return edits;
}

const takesStreamOptions = (backend: Backend): boolean =>
  !isDated(backend) || backend.apiVersion >= azureStreamOptionsSince;

function capMember(backend: Backend, path: string): string | undefined {
  if (path === "/responses") return "max_output_tokens";
  if (path === "/completions") return "max_tokens";
  if (path !== "/chat/completions") return undefined;
  const old = isDated(backend) && backend.apiVersion < azureCompletionTokensSince;
  // compatible servers (vLLM, Ollama and the like) all know the older name, few the newer
  return backend.type === "OpenAICompatible" || old ? "max_tokens" : "max_completion_tokens";
}
