/** Every value that is planted, where, and how the test knows that it went its way. docs/security.md cites the table. */
import { type Canary, proseCanary, randomText, secretCanary } from "../../fixtures/canary.ts";
import type { TestCertificate } from "../../fixtures/certificate.ts";

/**
 * How a row is proven to have travelled. provider: the provider received it. client: it stands in an answer. login: Redis took it.
 * held: the sidecar works with it (it verified, sealed or read it); the test says how.
 */
export type Proof = "provider" | "client" | "login" | "held";

/** A row of the table. */
export interface PlantedRow {
  readonly name: string;
  /** secret: nobody but the one it is for. prompt, answer: those who talk to each other, and nobody else. */
  readonly kind: "secret" | "prompt" | "answer";
  readonly place: string;
  readonly proof: Proof;
}

const row = (kind: PlantedRow["kind"], name: string, place: string, proof: Proof): PlantedRow => ({
  name,
  kind,
  place,
  proof,
});
const prompt = (name: string, place: string): PlantedRow => row("prompt", name, place, "provider");
const answer = (name: string, place: string): PlantedRow => row("answer", name, place, "client");

/** The table. */
export const plantedRows: readonly PlantedRow[] = [
  row("secret", "provider key", "first credential of the backend", "provider"),
  row("secret", "second provider key", "second credential of the backend", "provider"),
  row("secret", "Azure key", "credential of an Azure backend, sent as api-key", "provider"),
  row("secret", "exchanged token", "answer of the token endpoint, sent as bearer", "provider"),
  row("secret", "workload token", "projected token for the provider's audience", "provider"),
  row("secret", "pod token", "projected token that proves the pod", "held"),
  row("secret", "foreign pod token", "a pod token that is refused", "held"),
  row("secret", "keyring secret", "key that seals the namespace's cache", "held"),
  row("secret", "Redis password", "redis.json", "login"),
  row("secret", "next Redis password", "redis.json after a rotation", "login"),
  row("secret", "misplaced key", "config and redis.json whose types are wrong", "held"),
  row("secret", "client's own key", "Authorization and api-key of the application", "held"),
  row("secret", "client's cookie", "Cookie of the application", "held"),
  row("secret", "API key", "Authorization of a caller whose route wants API keys", "held"),
  row("secret", "refused API key", "the same, with a secret that is wrong", "held"),
  row("secret", "bearer token", "Authorization of a caller whose route wants tokens of an issuer", "held"),
  row("secret", "refused bearer token", "tokens that are expired, of another audience, or none", "held"),
  row("secret", "listener's private key", "spec.listener.tls, in the published config", "held"),
  prompt("route's system prompt", "rules[].request.systemPrompt"),
  prompt("chat message", "messages[].content"),
  prompt("chat part", "messages[].content[].text, image_url, input_audio, file name"),
  prompt("chat system message", "messages[] of role system"),
  prompt("tool definition", "tools[].function.description"),
  prompt("tool arguments", "messages[].tool_calls[].function.arguments"),
  prompt("tool result", "messages[] of role tool"),
  prompt("user", "user, safety_identifier, metadata"),
  prompt("streamed chat message", "messages[].content, stream"),
  prompt("cached chat message", "messages[].content, answered from the cache the second time"),
  prompt("azure message", "messages[].content, Azure dialect"),
  prompt("keyless message", "messages[].content, backend without keys"),
  prompt("completion prompt", "prompt"),
  prompt("responses input", "input, instructions"),
  prompt("streamed responses input", "input, stream"),
  prompt("embedding input", "input of embeddings"),
  prompt("moderation input", "input of moderations"),
  prompt("image prompt", "prompt of images/generations"),
  prompt("image edit", "prompt, file and file name of images/edits"),
  prompt("speech input", "input of audio/speech"),
  prompt("transcription", "file, file name and prompt of audio/transcriptions"),
  prompt("upload", "content and name of a file that is piped through"),
  row("secret", "custom header", "a header of the application's own", "provider"),
  row("secret", "query string", "a parameter of the URL", "provider"),
  row("secret", "cache directive", "an unknown Cache-Control directive", "held"),
  prompt("failing message", "messages[].content of calls that fail"),
  prompt("refused message", "bodies that the sidecar refuses: broken JSON, twice a key, too large, broken HTTP"),
  prompt("aborted message", "messages[].content of calls whose client goes away"),
  prompt("drained message", "messages[].content of a stream at SIGTERM"),
  row("prompt", "inner failure", "messages[].content of a call in which the sidecar itself fails", "held"),
  answer("chat answer", "choices[].message.content"),
  answer("streamed answer", "choices[].delta.content"),
  answer("called arguments", "choices[].message.tool_calls"),
  answer("responses answer", "output[].content"),
  answer("provider's error", "error.message, error.code, finish_reason and headers of a provider"),
];

/** One canary for each row, by its name. */
export type Garden = ReadonlyMap<string, Canary>;

/** Constant bytes at the beginning of a private key of Ed25519 (RFC 8410), in base64. */
const pemHeadChars = 22;

/** Plants. Secrets look like what they are: one word; the rest as people write. `certificate`: the listener's. */
export const plant = (certificate: TestCertificate): Garden => {
  const garden = new Map<string, Canary>(
    plantedRows.map(({ name, kind }) => [name, kind === "secret" ? secretCanary(name) : proseCanary(name)]),
  );
  const key = certificate.key.replace(/-----[^-]+-----|\s/g, "").slice(pemHeadChars);
  garden.set("listener's private key", { name: "listener's private key", text: key });
  for (const name of ["API key", "refused API key"]) garden.set(name, { name, text: randomText(43) }); // 256 bits in base64url
  return garden;
};

/** The text of a row. Throws for a name that the table does not have. */
export const textIn = (garden: Garden, name: string): string => {
  const canary = garden.get(name);
  if (canary === undefined) throw new Error(`no canary is called ${name}`);
  return canary.text;
};
