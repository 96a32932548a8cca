/** Chat calls with headers of the test's choice, from a container of the test's choice: what a caller sends to prove who it is. */
import { exec } from "./kubectl.ts";

/** What came back. */
export interface CallerAnswer {
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
  /** The header, or null. */
  readonly challenge: string | null;
  readonly shouldRetry: string | null;
}

/** Sends one call after the other to an OpenAI base URL and answers in their order. Throws when a call gets no answer. */
export const callAs = async (
  target: { readonly namespace: string; readonly pod: string; readonly container?: string },
  baseUrl: string,
  calls: readonly Readonly<Record<string, string>>[],
  model = "gpt-4o",
): Promise<readonly CallerAnswer[]> => {
  const script = `
const body = JSON.stringify({ model: ${JSON.stringify(model)}, messages: [{ role: "user", content: "Hello." }] });
const answers = [];
for (const headers of ${JSON.stringify(calls)}) {
  const answer = await fetch("${baseUrl}/chat/completions", {
    method: "POST", headers: { "content-type": "application/json", ...headers }, body });
  const { error } = await answer.json();
  answers.push({ status: answer.status, code: error?.code ?? null, message: error?.message ?? "",
    challenge: answer.headers.get("www-authenticate"), shouldRetry: answer.headers.get("x-should-retry") });
}
console.log(JSON.stringify(answers));`;
  const command = ["node", "--input-type=module", "-"];
  return JSON.parse(await exec({ container: "app", ...target }, command, { input: script })) as CallerAnswer[]; // our own script's answer
};

/** As OpenAI's clients send it. */
export const bearer = (text: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${text}` });
