/** How a backend wants to be spoken to: URL, and the edits that its kind of API needs. */
import type { Shaped } from "../exchange.ts";
import type { JsonEdit } from "../json/splice.ts";
import type { JsonValue } from "../json/view.ts";
import type { Backend } from "./backend.ts";

/** First dated Azure version that knows `stream_options`. Older ones refuse it. */
const azureStreamOptionsSince = "2024-09-01";
/** First dated Azure version that knows `max_completion_tokens`. */
const azureCompletionTokensSince = "2024-09-01";

/** What chat completions call the cap since 2024. */
const newerCapMember = "max_completion_tokens";

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
  // "form": an edit of images may come as JSON, too
  const { model: place } = exchange.match.endpoint;
  if ((place === "body" || place === "form") && body.document.root.get("model")?.string() !== model) {
    edits.push({ op: "set", path: ["model"], value: JSON.stringify(model) });
  }
  if (exchange.sendOutputCap !== undefined) {
    edits.push(...capEdits(backend, exchange, { root: body.document.root, cap: exchange.sendOutputCap }));
  }
  return edits;
}

/** Says the cap under the name that the backend reads. What the client or the rule named stays, where the backend reads that. */
function capEdits(
  backend: Backend,
  { estimate, edits, match }: Shaped,
  { root, cap }: { readonly root: JsonValue; readonly cap: number },
): JsonEdit[] {
  const member = capMember(backend, match.endpoint.path);
  if (!member) return [];
  const set: JsonEdit = { op: "set", path: [member], value: String(cap) };
  if (!estimate.capAsked) return [set];
  if (backend.type !== "OpenAICompatible" || isSaid(member, root, edits)) return [];
  // one name for it, not two: the servers that read both refuse that
  return [{ op: "remove", path: [newerCapMember] }, set];
}

/** Whether a member of the body will have a value. */
function isSaid(member: string, root: JsonValue, edits: readonly JsonEdit[]): boolean {
  const edit = edits.findLast(({ path }) => path[0] === member);
  if (edit) return edit.op === "set" && String(edit.value) !== "null";
  return (root.get(member)?.kind ?? "null") !== "null";
}

const takesStreamOptions = (backend: Backend): boolean =>
  !isDated(backend) || backend.apiVersion >= azureStreamOptionsSince;

function capMember(backend: Backend, path: string): string | undefined {
  if (path === "/responses") return "max_output_tokens";
  if (path === "/completions") return "max_tokens";
  if (path !== "/chat/completions") return undefined;
  const old = isDated(backend) && backend.apiVersion < azureCompletionTokensSince;
  // compatible servers (vLLM, Ollama and the like) all know the older name, few the newer
  return backend.type === "OpenAICompatible" || old ? "max_tokens" : newerCapMember;
}
