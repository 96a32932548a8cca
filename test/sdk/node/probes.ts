/** Calls that are meant to go wrong, and what the application is told of it; python/probes.py has the same. */
import OpenAI, { type APIError } from "openai";
import type { SdkError, SdkResult } from "../python-process.ts";

type More = Readonly<Record<string, unknown>>;
const chat = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Hello." }] };
const response = { model: "gpt-4o", input: "Hello." };

/** Reads a stream as an application does, and remembers how far it came when it breaks. */
async function counted(stream: AsyncIterable<object>): Promise<unknown> {
  let seen = 0;
  let last: unknown;
  try {
    for await (const event of stream) {
      seen += 1;
      last = "type" in event ? event.type : null;
    }
  } catch (error) {
    throw Object.assign(error as Error, { seen }); // what the SDK throws is always an Error
  }
  return { seen, last: last ?? null };
}

const probes = {
  "probe: chat": (client: OpenAI, more: More) => client.chat.completions.create({ ...chat, ...more }),
  "probe: chat stream": async (client: OpenAI, more: More) =>
    counted(await client.chat.completions.create({ ...chat, ...more, stream: true })),
  "probe: response": (client: OpenAI, more: More) => client.responses.create({ ...response, ...more }),
  "probe: response stream": async (client: OpenAI, more: More) =>
    counted(await client.responses.create({ ...response, ...more, stream: true })),
  "probe: models": async (client: OpenAI) => (await client.models.list()).data,
  "probe: model": (client: OpenAI, { name }: More) => client.models.retrieve(String(name)),
  "probe: embeddings": (client: OpenAI, more: More) =>
    client.embeddings.create({ model: "text-embedding-3-small", input: "one", ...more }),
  "probe: files": async (client: OpenAI) => (await client.files.list()).data,
  "probe: unknown endpoint": (client: OpenAI) => client.post("/nope", { body: {} }),
} as const;

/** A call of the suites for errors, retries and broken streams. */
export type ProbeName = keyof typeof probes;

/** Runs a probe as the Python process does. */
export async function runProbe(client: OpenAI, name: ProbeName, more: More = {}): Promise<SdkResult> {
  try {
    return { value: await probes[name](client, more) };
  } catch (error) {
    return { error: described(error) };
  }
}

/** What an application can learn of what was thrown. */
function described(error: unknown): SdkError {
  if (!(error instanceof Error)) throw new TypeError("the SDK threw something that is no Error");
  const found: Partial<APIError> & { seen?: number } = error;
  return JSON.parse(
    JSON.stringify({
      class: error.constructor.name,
      is_api_error: error instanceof OpenAI.APIError,
      status: found.status,
      code: found.code ?? undefined,
      type: found.type ?? undefined,
      param: found.param ?? undefined,
      request_id: found.requestID ?? undefined,
      seen: found.seen,
      message: error.message,
    }),
  );
}
