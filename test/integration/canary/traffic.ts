/** Calls that go well: every endpoint and modality with a canary in each part, streamed and not. */

import { textIn } from "./planted.ts";
import type { Stage } from "./stage.ts";

/** What a client heard, and which canaries it may have heard: those that it sent, and those of the answer that it asked for. */
export interface Heard {
  readonly where: string;
  readonly text: string;
  readonly allowed: ReadonlySet<string>;
}

/** Sends calls and keeps what came back. */
export class Caller {
  readonly heard: Heard[] = [];
  readonly statuses: Record<string, number> = {};
  readonly stage: Stage;
  readonly url: string;

  constructor(stage: Stage, url: string) {
    this.stage = stage;
    this.url = url;
  }

  text(name: string): string {
    return textIn(this.stage.garden, name);
  }

  /** Sends one; `names`: canaries that the client may see in the answer. Never throws: an abort is an answer, too. */
  async send(where: string, path: string, options: RequestInit & { names?: readonly string[] }): Promise<number> {
    const { names = [], ...init } = options;
    const allowed = new Set([...names, "route's system prompt"]); // Responses answers repeat their instructions
    const headers = {
      ...(typeof init.body === "string" && { "content-type": "application/json" }),
      authorization: `Bearer ${this.text("client's own key")}`,
      "api-key": this.text("client's own key"),
      cookie: `session=${this.text("client's cookie")}`,
      ...(init.headers as Record<string, string> | undefined), // plain objects in here
    };
    let status = 0;
    let text = "";
    try {
      const response = await fetch(`${this.url}${path}`, { method: "POST", ...init, headers });
      status = response.status;
      text = JSON.stringify([...response.headers]);
      text += await response.text();
    } catch (fault) {
      text += String(fault);
    }
    this.heard.push({ where, text, allowed });
    this.statuses[where] = status;
    return status;
  }

  /** A JSON call. */
  json(where: string, path: string, body: object, names: readonly string[], more: RequestInit = {}): Promise<number> {
    return this.send(where, path, { ...more, body: JSON.stringify(body), names });
  }
}

const chat = "/v1/chat/completions";
const message = (content: unknown, role = "user") => ({ role, content });

/** Every endpoint. Statuses are left in `caller.statuses`. */
export async function sendAll(caller: Caller): Promise<void> {
  const { provider } = caller.stage;
  provider.script({ answer: caller.text("chat answer") });
  await caller.json("chat", chat, { model: "gpt-4o", messages: [message(caller.text("chat message"))] }, [
    "chat message",
    "chat answer",
  ]);
  provider.script({ answer: caller.text("streamed answer") });
  const streamed = { model: "gpt-4o", stream: true, messages: [message(caller.text("streamed chat message"))] };
  await caller.json("chat, streamed", chat, streamed, ["streamed chat message", "streamed answer"]);
  await chatParts(caller);
  await cachedTwice(caller);
  await otherBackends(caller);
  await otherEndpoints(caller);
  await forms(caller);
}

async function chatParts(caller: Caller): Promise<void> {
  const part = caller.text("chat part");
  const encoded = Buffer.from(part).toString("base64");
  const parts = [
    { type: "text", text: part },
    { type: "image_url", image_url: { url: `data:image/png;base64,${encoded}` } },
    { type: "input_audio", input_audio: { data: encoded, format: "wav" } },
    { type: "file", file: { filename: part, file_data: `data:application/pdf;base64,${encoded}` } },
  ];
  const call = { name: "find", arguments: JSON.stringify({ where: caller.text("tool arguments") }) };
  const body = {
    model: "gpt-4o",
    user: caller.text("user"),
    safety_identifier: caller.text("user").slice(0, 20),
    metadata: { about: caller.text("user") },
    messages: [
      message(caller.text("chat system message"), "system"),
      message(parts),
      { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: call }] },
      { role: "tool", tool_call_id: "call_1", content: caller.text("tool result") },
    ],
    tools: [
      {
        type: "function",
        function: { name: "find", description: caller.text("tool definition"), parameters: { type: "object" } },
      },
    ],
  };
  const names = ["chat part", "tool arguments", "tool result", "tool definition", "user", "chat system message"];
  caller.stage.provider.script({ tool: "find", args: JSON.stringify({ found: caller.text("called arguments") }) });
  await caller.json("chat with tools and parts", chat, body, [...names, "called arguments"], {
    headers: {
      "x-own": encodeURIComponent(caller.text("custom header")),
      "cache-control": `private="${caller.text("cache directive")}"`,
    },
  });
}

/** The second is answered from the cache, so the cache holds what must not be read there. */
async function cachedTwice(caller: Caller): Promise<void> {
  const body = { model: "gpt-4o", temperature: 0, messages: [message(caller.text("cached chat message"))] };
  caller.stage.provider.script({ answer: caller.text("chat answer") });
  for (const where of ["cached chat, first", "cached chat, second"])
    await caller.json(where, chat, body, ["cached chat message", "chat answer"]);
}

async function otherBackends(caller: Caller): Promise<void> {
  const token = JSON.stringify({
    access_token: caller.text("exchanged token"),
    token_type: "Bearer",
    expires_in: 3600,
  });
  caller.stage.provider.behaveAtExchange({ raw: token, type: "application/json" });
  for (const name of ["azure", "keyless"])
    await caller.json(name, chat, { model: `${name}-gpt`, messages: [message(caller.text(`${name} message`))] }, [
      `${name} message`,
    ]);
}

async function otherEndpoints(caller: Caller): Promise<void> {
  const query = `?trace=${encodeURIComponent(caller.text("query string"))}`;
  const rows: readonly (readonly [where: string, path: string, body: object, name: string])[] = [
    [
      "completions",
      "/v1/completions",
      { model: "gpt-3.5-turbo-instruct", prompt: caller.text("completion prompt") },
      "completion prompt",
    ],
    [
      "embeddings",
      `/v1/embeddings${query}`,
      { model: "text-embedding-3-small", input: caller.text("embedding input") },
      "embedding input",
    ],
    [
      "moderations",
      "/v1/moderations",
      { model: "omni-moderation-latest", input: caller.text("moderation input") },
      "moderation input",
    ],
    ["images", "/v1/images/generations", { model: "dall-e-3", prompt: caller.text("image prompt") }, "image prompt"],
    [
      "speech",
      "/v1/audio/speech",
      { model: "tts-1", voice: "alloy", input: caller.text("speech input") },
      "speech input",
    ],
  ];
  for (const [where, path, body, name] of rows) await caller.json(where, path, body, [name]);
  const input = {
    model: "gpt-4o",
    input: caller.text("responses input"),
    instructions: caller.text("responses input"),
  };
  caller.stage.provider.script({ answer: caller.text("responses answer") });
  await caller.json("responses", "/v1/responses", input, ["responses input", "responses answer"]);
  const streamed = { model: "gpt-4o", stream: true, input: caller.text("streamed responses input") };
  caller.stage.provider.script({ answer: caller.text("responses answer") });
  await caller.json("responses, streamed", "/v1/responses", streamed, ["streamed responses input", "responses answer"]);
}

async function forms(caller: Caller): Promise<void> {
  const form = (name: string, fields: Readonly<Record<string, string>>, field = "file"): FormData => {
    const data = new FormData();
    for (const [key, value] of Object.entries(fields)) data.set(key, value);
    data.set(field, new Blob([caller.text(name)]), `${encodeURIComponent(caller.text(name))}.png`);
    return data;
  };
  const edit = form("image edit", { model: "gpt-image-1", prompt: caller.text("image edit") }, "image");
  await caller.send("image edit", "/v1/images/edits", { body: edit, names: ["image edit"] });
  const spoken = form("transcription", { model: "whisper-1", prompt: caller.text("transcription") });
  await caller.send("transcription", "/v1/audio/transcriptions", { body: spoken, names: ["transcription"] });
  await caller.send("upload", "/v1/files", { body: form("upload", { purpose: "batch" }), names: ["upload"] });
}
