/** Chat calls that quotas count, from an injected application, with what its caller is told. */
import { exec } from "./kubectl.ts";

/** What came back. */
export interface QuotaAnswer {
  readonly status: number;
  /** Of an error; null: it was answered. */
  readonly code: string | null;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What is asked. */
export interface QuotaCalls {
  readonly model: string;
  /** Calls one after the other; it ends with the first that is refused. */
  readonly count: number;
  /** API key of the caller; absent: none. */
  readonly apiKey?: string | undefined;
}

/** Sends the calls and answers in their order. Throws when one gets no answer. */
export const callCounted = async (
  target: { readonly namespace: string; readonly pod: string },
  { model, count, apiKey }: QuotaCalls,
): Promise<readonly QuotaAnswer[]> => {
  const script = `
const body = ${JSON.stringify(JSON.stringify({ model, max_tokens: 50, messages: [{ role: "user", content: "Hello." }] }))};
const headers = ${JSON.stringify({ "content-type": "application/json", ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) })};
const answers = [];
for (let i = 0; i < ${count} && (answers.at(-1)?.status ?? 200) === 200; i++) {
  const answer = await fetch("http://127.0.0.1:15100/v1/chat/completions", { method: "POST", headers, body });
  const { error } = await answer.json();
  answers.push({ status: answer.status, code: error?.code ?? null, message: error?.message ?? "", headers: Object.fromEntries(answer.headers) });
}
console.log(JSON.stringify(answers));`;
  const command = ["node", "--input-type=module", "-"];
  return JSON.parse(await exec({ container: "app", ...target }, command, { input: script })) as QuotaAnswer[]; // our own script's answer
};
