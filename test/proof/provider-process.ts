// The fake provider in a process of its own, with a count that forgets nothing. Sends its URL to its parent, then, for each
// message, what arrived so far: for each model requests, and the tokens of those whose answer was sent whole.
import { startFakeProvider } from "../../src/fakeprovider/provider.ts";
import type { RecordedRequest } from "../../src/fakeprovider/recorder.ts";

/** What a provider has seen of one model. */
export interface ProviderCount {
  requests: number;
  input: number;
  output: number;
}

const readEveryMs = 50;
const provider = await startFakeProvider();
const counts: Record<string, ProviderCount> = {};
let last: RecordedRequest | undefined;
let open: RecordedRequest[] = [];

/** Takes over what is new in the provider's list, which is short, and counts what has ended. */
function read(): void {
  const { requests } = provider;
  open.push(...requests.slice(last === undefined ? 0 : requests.lastIndexOf(last) + 1));
  last = requests.at(-1) ?? last;
  open = open.filter((request) => !(request.ended || request.aborted) || !count(request));
}

interface Body {
  readonly model: string;
  readonly messages: readonly { readonly content: string }[];
  readonly max_tokens?: number;
  readonly user?: string;
}

/** false: its body is not here. */
function count(request: RecordedRequest): boolean {
  if (request.body.length === 0) return request.aborted;
  const body = JSON.parse(request.body.toString("utf8")) as Body; // what load.ts sends
  const of = counts[body.model] ?? { requests: 0, input: 0, output: 0 };
  counts[body.model] = of;
  of.requests++;
  if (request.aborted || request.status !== 200) return true;
  const characters = body.messages.reduce((sum, { content }) => sum + content.length, 0);
  const words = Number(/tokens=(\d+)/.exec(body.user ?? "")?.[1] ?? 8);
  of.input += Math.ceil(characters / 4);
  of.output += Math.min(words, body.max_tokens ?? words);
  return true;
}

setInterval(read, readEveryMs);
process.on("message", () => {
  read();
  process.send?.({ counts, underWay: open.length });
});
process.on("disconnect", () => process.exit());
process.send?.({ url: provider.url });
