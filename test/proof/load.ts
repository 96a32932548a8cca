/** Clients: many at once, impatient, each answer counted. */
import { Agent, request } from "node:http";
import { randomFrom } from "../../src/fakeprovider/words.ts";
import type { FleetMember } from "./fleet.ts";

/** Answers of one kind of request. */
export interface ModelCount {
  /** Whole answers, and the usage that they told. */
  ok: number;
  input: number;
  output: number;
  /** Given up by the client, or cut while its sidecar died. */
  lost: number;
}

/** What all clients saw. */
export interface LoadCount {
  readonly byModel: Record<string, ModelCount>;
  /** Refusals and errors by their code. */
  readonly refused: Record<string, number>;
}

/** One call. */
export interface Call {
  readonly model: string;
  readonly stream: boolean;
  readonly tokens: number;
  readonly maxTokens: number;
  /** Of the provider, ms. */
  readonly delayMs: number;
  /** When the client gives up, ms; absent: it waits. */
  readonly abortMs?: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

/** Sends one call and counts what came of it. Never rejects. */
export const sendCall = (url: string, call: Call, count: LoadCount): Promise<number> => {
  const of = count.byModel[call.model] ?? { ok: 0, input: 0, output: 0, lost: 0 };
  count.byModel[call.model] = of;
  const body = JSON.stringify({
    model: call.model,
    messages: [{ role: "user", content: "How many units are there, all in all?" }],
    max_tokens: call.maxTokens,
    user: `fake:tokens=${call.tokens};delay=${call.delayMs}`,
    ...(call.stream && { stream: true, stream_options: { include_usage: true } }),
  });
  return new Promise((resolve) => {
    let status = 0;
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      if (status === 200) countAnswer(of, text);
      else if (status === 0) of.lost++;
      else {
        const code = /"code":\s*"(\w+)"/.exec(text)?.[1] ?? String(status);
        count.refused[code] = (count.refused[code] ?? 0) + 1;
      }
      resolve(status);
    };
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request(`${url}/v1/chat/completions`, { method: "POST", agent, headers }, (response) => {
      status = response.statusCode ?? 0;
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", () => undefined).on("close", end);
    });
    sent.on("error", () => {
      if (status === 0) end();
    });
    if (call.abortMs !== undefined) timer = setTimeout(() => sent.destroy(), call.abortMs);
    sent.end(body);
  });
};

const countAnswer = (of: ModelCount, text: string): void => {
  const usage = /"prompt_tokens":\s*(\d+),\s*"completion_tokens":\s*(\d+)/.exec(text);
  if (usage === null) {
    of.lost++;
    return;
  }
  of.ok++;
  of.input += Number(usage[1]);
  of.output += Number(usage[2]);
};

/** Sends `calls` calls to sidecars that are up, by `clients` clients at once; `abortShare` of them give up. */
export const runLoad = async (options: {
  readonly members: readonly FleetMember[];
  readonly models: readonly string[];
  readonly calls: number;
  readonly clients: number;
  readonly abortShare: number;
  readonly seed: number;
}): Promise<LoadCount> => {
  const { members, models, calls, clients, abortShare } = options;
  const count: LoadCount = { byModel: {}, refused: {} };
  const random = randomFrom(options.seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  let left = calls;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const up = members.filter(({ isUp }) => isUp);
      const member = up[below(up.length)];
      if (member === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      const abortMs = random() < abortShare ? { abortMs: below(25) } : {};
      await sendCall(
        member.url,
        {
          model: models[below(models.length)] ?? "",
          stream: below(3) === 0,
          tokens: 1 + below(30),
          maxTokens: 8 + below(40),
          delayMs: below(4) === 0 ? below(20) : 0,
          ...abortMs,
        },
        count,
      );
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return count;
};
