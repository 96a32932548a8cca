/** Calls that go wrong, in every way that can be made: at the provider, on the way, in the sidecar, at the client. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Behaviour } from "../../../src/fakeprovider/knobs.ts";
import { openRaw } from "../../fixtures/raw-http.ts";
import { audiences } from "../../fixtures/workload-tokens.ts";
import type { Caller } from "./traffic.ts";

const chat = "/v1/chat/completions";

/** What a provider does wrong; each with the canaries that it repeats. */
const behaviours = (caller: Caller): Readonly<Record<string, Behaviour>> => {
  const [said, asked, own] = ["provider's error", "failing message", "chat answer"].map((name) => caller.text(name));
  const error = { error: { message: `${said} ${asked}`, type: said, param: said, code: said } };
  const raw = JSON.stringify(error);
  const word = said?.replace(/[^A-Za-z0-9]/g, "") ?? "";
  const chatAnswer = (reason: string | undefined) =>
    JSON.stringify({
      id: "c",
      object: "chat.completion",
      model: said,
      choices: [{ index: 0, finish_reason: reason, message: { role: "assistant", content: own } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
  return {
    "error that repeats the prompt": { status: 400, raw, header: `x-echo:${word}` },
    "error of another shape": { status: 400, raw: `${said} ${asked}`, header: `x-echo:${word}` },
    page: { status: 502, body: "html", header: `x-echo:${word}` },
    unavailable: { status: 503, raw, header: `retry-after:${word}` },
    "too many": { status: 429, raw, "retry-after": word },
    redirect: { redirect: `http://127.0.0.1:9/${encodeURIComponent(asked ?? "")}` },
    "no JSON": { raw: `{"answer": ${asked}`, type: "application/json" },
    cut: { body: "truncated", answer: own },
    "reset before the head": { reset: 0 },
    "reset in the body": { reset: 2, answer: own },
    "wrong encoding": { encoding: "wrong", answer: own },
    silence: { hang: "headers" },
    "silence after the head": { hang: "body" },
    "strange names": { raw: chatAnswer(said), type: "application/json" },
    "strange words": { raw: chatAnswer(word), type: "application/json" },
    "huge head": { "header-bytes": 100_000 },
  };
};

/** A stream whose reason and code are no words. */
const strangeStream = (caller: Caller): string => {
  const said = caller.text("provider's error");
  const choice = { index: 0, delta: { content: "x" }, finish_reason: said };
  const frames = [
    { id: said, object: "chat.completion.chunk", model: said, choices: [choice] },
    { type: "response.failed", response: { status: said, model: said, error: { code: said, message: said } } },
  ];
  return `${frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("")}data: [DONE]\n\n`;
};

/** The same for streams. */
const streamBehaviours = (caller: Caller): Readonly<Record<string, Behaviour>> => {
  const answer = caller.text("streamed answer");
  return {
    "end without terminal event": { eof: 2, answer },
    "error event": { error: 2, answer },
    "broken JSON": { badjson: true, answer },
    "broken text": { badutf8: true, answer },
    "silence in the middle": { hang: "mid", k: 2, answer },
    "reset in the middle": { reset: 3, answer },
    "no space": { nospace: true, answer },
    "strange reason": { raw: strangeStream(caller), type: "text/event-stream" },
  };
};

/** Providers that fail. */
export async function failAtProvider(caller: Caller): Promise<void> {
  const allowed = ["failing message", "provider's error", "chat answer", "streamed answer"];
  const body = (turn: string) => ({
    model: "gpt-4o",
    messages: [{ role: "user", content: `${turn} ${caller.text("failing message")}` }],
  });
  for (const [where, behaviour] of Object.entries(behaviours(caller))) {
    caller.stage.resetProvider();
    caller.stage.provider.script(behaviour, behaviour, behaviour);
    await caller.json(`provider: ${where}`, chat, body(where), allowed);
  }
  for (const [where, behaviour] of Object.entries(streamBehaviours(caller))) {
    for (const path of [chat, "/v1/responses"]) {
      caller.stage.resetProvider();
      caller.stage.provider.script(behaviour);
      const input = path === chat ? body(where) : { model: "gpt-4o", input: caller.text("failing message") };
      await caller.json(`stream: ${where}, ${path}`, path, { ...input, stream: true }, allowed);
    }
  }
  await caller.json("nobody listens", chat, { ...body("nowhere"), model: "nowhere-gpt" }, allowed);
}

/** A provider that repeats the credential that it was sent. */
export async function failWithKey(caller: Caller): Promise<void> {
  const { provider } = caller.stage;
  const body = { model: "gpt-4o", messages: [{ role: "user", content: caller.text("failing message") }] };
  for (const name of ["provider key", "second provider key"]) {
    const key = caller.text(name);
    const error = {
      error: {
        message: `Incorrect API key provided: ${key}.`,
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      },
    };
    provider.behaveFor(key, { status: 401, raw: JSON.stringify(error), header: `x-key:Bearer ${key}` });
  }
  for (let turn = 0; turn < 3; turn++) await caller.json(`401 with the key, ${turn}`, chat, body, ["failing message"]);
  for (const name of ["provider key", "second provider key"]) provider.behaveFor(caller.text(name), undefined);
}

/** Exchanges that fail, some with an answer that repeats the assertion. `inForce`: resolves when /status shows this. */
export async function failAtExchange(caller: Caller, inForce: (what: string) => Promise<void>): Promise<void> {
  const { provider, tokens } = caller.stage;
  const assertion = tokens.token(audiences[1], { jti: caller.text("workload token") });
  const secret = caller.text("exchanged token");
  const rows: readonly (Behaviour | undefined)[] = [
    { status: 400, raw: JSON.stringify({ error: "invalid_grant", error_description: `AADSTS50013: ${assertion}` }) },
    { status: 401, raw: JSON.stringify({ error: assertion.slice(-60), error_description: assertion }) },
    { status: 500, raw: `${secret} ${assertion}` },
    { raw: JSON.stringify({ access_token: `${secret} ${assertion}` }), type: "application/json" },
    { raw: JSON.stringify({ access_token: secret, expires_in: assertion }), type: "application/json" },
    { raw: `{"access_token":"${secret}`, type: "application/json" },
    { reset: 0 },
  ];
  for (const [turn, behaviour] of rows.entries()) {
    // another identity each time, for which nobody has a token yet
    caller.stage.putConfig(JSON.parse(JSON.stringify(caller.stage.config()).replaceAll("idp-1", `idp-${turn + 2}`)));
    await inForce(`idp-${turn + 2}`);
    provider.behaveAtExchange(behaviour);
    const content = `${turn} ${caller.text("failing message")}`;
    await caller.json(`exchange ${turn}`, chat, { model: "keyless-gpt", messages: [{ role: "user", content }] }, [
      "failing message",
    ]);
  }
}

/** What the sidecar refuses. */
export async function refused(caller: Caller): Promise<void> {
  const text = caller.text("refused message");
  const names = ["refused message"];
  const inJson = JSON.stringify(text);
  const messages = [{ role: "user", content: text }];
  const bodies: Readonly<Record<string, string>> = {
    "no JSON": `{"model":"gpt-4o","messages":[${text}`,
    "twice a key": `{"model":"gpt-4o",${inJson}:1,${inJson}:2}`,
    "unknown model": JSON.stringify({ model: text, messages }),
    "model that is no name": JSON.stringify({ model: `gpt-${text}`, messages }),
    "model of a wrong type": JSON.stringify({ model: [text], messages }),
    "messages of a wrong type": JSON.stringify({ model: "gpt-4o", messages: text }),
    "too many messages": JSON.stringify({ model: "tight-gpt", messages: [...messages, ...messages] }),
    "too much output": JSON.stringify({ model: "tight-gpt", max_tokens: 1_000, messages }),
    "larger than the limit": JSON.stringify({ model: "gpt-4o", max_completion_tokens: 300_000, messages }),
    "lone surrogate": `{"model":"gpt-4o","messages":[{"role":"user","content":${inJson}},"\\ud800"]}`,
  };
  for (const [where, body] of Object.entries(bodies)) await caller.send(`refused: ${where}`, chat, { body, names });
  await caller.send("refused: unknown endpoint", `/v1/${encodeURIComponent(text)}`, { body: "{}", names });
  await caller.send("refused: parameter", `${chat}?model=${encodeURIComponent(text)}`, { body: "{}", names });
  await caller.send("refused: method", chat, { method: "PUT", body: inJson, names });
  await caller.send("refused: type", chat, {
    body: inJson,
    names,
    headers: { "content-type": `text/${encodeURIComponent(text).slice(0, 40)}` },
  });
  await caller.send("refused: coding", chat, { body: inJson, names, headers: { "content-encoding": "gzip" } });
  await caller.send("refused: form", "/v1/images/edits", {
    body: text,
    names,
    headers: { "content-type": "multipart/form-data; boundary=x" },
  });
  const bare = text.replace(/[^A-Za-z0-9]/g, "-");
  const lines = [
    "GET / HTTP/9.9",
    `${bare} ${bare}`,
    `POST ${chat} HTTP/1.1\r\nhost: a\r\nx y: ${bare}`,
    `POST ${chat} HTTP/1.1\r\nhost: a\r\ncontent-length: ${bare}`,
  ];
  for (const [turn, line] of lines.entries()) {
    const raw = await openRaw(caller.url);
    raw.write(`${line}\r\n\r\n${bare}`);
    await raw.answered(1).catch(() => []);
    caller.heard.push({ where: `broken HTTP ${turn}`, text: raw.bytes().toString("latin1"), allowed: new Set(names) });
    raw.reset();
  }
}

/** Clients that go away before, while and after. */
export async function aborted(caller: Caller): Promise<void> {
  const text = caller.text("aborted message");
  const body = { model: "gpt-4o", messages: [{ role: "user", content: text }] };
  const steps: readonly (readonly [Behaviour, boolean])[] = [
    [{ delay: 300 }, false],
    [{ every: 100, answer: caller.text("streamed answer") }, true],
  ];
  for (const [behaviour, stream] of steps) {
    caller.stage.provider.script(behaviour);
    const signal = AbortSignal.timeout(120);
    await caller.json(`aborted, stream ${stream}`, chat, { ...body, stream }, ["aborted message", "streamed answer"], {
      signal,
    });
  }
  const raw = await openRaw(caller.url);
  raw.write(
    `POST ${chat} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{"a":${JSON.stringify(text)}`,
  );
  await sleep(50);
  raw.reset();
}
