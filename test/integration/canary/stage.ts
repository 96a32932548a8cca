/** The stage of the canaries: a provider, a Redis that keeps everything, and the sidecar's own process with all it is given. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeConfig } from "../../../src/config/codec.ts";
import type { SidecarConfig } from "../../../src/config/contract.ts";
import { type FakeProvider, startFakeProvider } from "../../../src/fakeprovider/provider.ts";
import { claimsOf, identityOf, newSigner, type Signer, signedToken, testPod } from "../../fixtures/pod-tokens.ts";
import { type ProjectedToken, projectedToken } from "../../fixtures/projected-token.ts";
import { startRedis, type TestRedis } from "../../fixtures/redis.ts";
import { configFrom, quotaYaml } from "../../fixtures/sidecar.ts";
import { audiences, type WorkloadTokens, workloadTokens } from "../../fixtures/workload-tokens.ts";
import { type Garden, textIn } from "./planted.ts";

/** Everything around the sidecar. */
export interface Stage {
  readonly garden: Garden;
  readonly provider: FakeProvider;
  readonly redis: TestRedis;
  /** Everything that Redis was told, as MONITOR has it. */
  readonly monitored: () => string;
  /** Folder of Redis' files. */
  readonly redisFolder: string;
  readonly tokens: WorkloadTokens;
  readonly podToken: ProjectedToken;
  /** Folder of the config and of redis.json, as the operator's Secret is mounted. */
  readonly configFolder: string;
  /** The process' working and temporary folder: nothing is to be written there. */
  readonly workFolder: string;
  readonly signer: Signer;
  /** Puts a config, or any text in its place, where the sidecar follows it. */
  putConfig(config: SidecarConfig | string): void;
  putRedis(text: string): void;
  /** What the provider has received, bytes and all. */
  received(): string;
  /** Of a password, as ACL SETUSER takes it: Redis itself never has the password. */
  passwordHash(name: string): string;
  /** The provider forgets its script; what it received stays known. */
  resetProvider(): void;
  config(): SidecarConfig;
  close(): Promise<void>;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Makes it. A token is planted by a claim in it: its signature and payload are what must not be seen. */
export async function openStage(garden: Garden): Promise<Stage> {
  const text = (name: string): string => textIn(garden, name);
  const provider = await startFakeProvider();
  const redisFolder = mkdtempSync(join(tmpdir(), "sidegate-canary-redis-"));
  const redis = await startRedis({
    args: [
      "--dir",
      redisFolder,
      "--appendonly",
      "yes",
      "--rdbcompression",
      "no",
      "--loglevel",
      "debug",
      "--logfile",
      "redis.log",
    ],
  });
  await redis.command(`ACL SETUSER sidecar on #${sha256(text("Redis password"))} ~* &* +@all`);
  const monitor = await openMonitor(redis.port);
  const tokens = workloadTokens();
  tokens.write(audiences[1], tokens.token(audiences[1], { jti: text("workload token") }));
  const signer = newSigner();
  const podToken = projectedToken(tokenOf(signer, text("pod token")));
  const folder = mkdtempSync(join(tmpdir(), "sidegate-canary-"));
  const [configFolder, workFolder] = [join(folder, "config"), join(folder, "work")];
  mkdirSync(configFolder);
  mkdirSync(workFolder);
  const putRedis = (json: string): void => writeFileSync(join(configFolder, "redis.json"), json);
  const received: string[] = [];
  const stage: Stage = {
    ...{ garden, provider, redis, redisFolder, tokens, podToken, configFolder, workFolder, signer, putRedis },
    monitored: monitor.text,
    passwordHash: (name) => `#${sha256(text(name))}`,
    received: () => [...received, requestsOf(provider)].join("\n"),
    resetProvider: () => {
      received.push(requestsOf(provider));
      provider.reset();
    },
    putConfig: (config) =>
      writeFileSync(join(configFolder, "config.v2.json"), typeof config === "string" ? config : encodeConfig(config)),
    config: () => stageConfig(garden, provider.url, signer),
    async close() {
      monitor.close();
      await provider.close();
      await redis.stop();
      tokens.remove();
      podToken.remove();
      for (const each of [folder, redisFolder]) rmSync(each, { recursive: true, force: true });
    },
  };
  stage.putConfig(stage.config());
  putRedis(redisJson(redis.port, text("Redis password")));
  return stage;
}

const requestsOf = ({ requests }: FakeProvider): string =>
  requests.map(({ path, rawHeaders, body }) => [path, ...rawHeaders, body.toString("latin1")].join("\n")).join("\n");

/** A pod's token; the canary is a claim of it. */
export const tokenOf = (signer: Signer, canary: string, more: Record<string, unknown> = {}): string =>
  signedToken(signer, { ...claimsOf(Date.now(), testPod), jti: canary, ...more });

/** What the operator publishes. */
export const redisJson = (port: number, password: string): string =>
  JSON.stringify({ url: `redis://sidecar:${encodeURIComponent(password)}@127.0.0.1:${port}` });

/** Collects what MONITOR says. */
async function openMonitor(port: number): Promise<{ text: () => string; close: () => void }> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write("MONITOR\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  return { text: () => Buffer.concat(chunks).toString("latin1"), close: () => socket.destroy() };
}

/** Files of a folder and those below it, by their path. */
export const filesIn = (folder: string): readonly (readonly [path: string, bytes: Buffer])[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path, readFileSync(path)] as const);

const everything =
  "[ChatCompletions, Completions, Responses, Embeddings, Models, Moderations, ImagesGenerations, ImagesEdits, AudioSpeech, AudioTranscriptions, AudioTranslations, Files]";
const timeouts = "timeouts: {connect: 500ms, firstByte: 400ms, idle: 400ms, total: 2s}";

const stageYaml = (garden: Garden, url: string): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: test, namespace: default}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: default}]
  backends:
    - {name: main, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: first}}, {type: Secret, secretRef: {name: keys, key: second}}]}
    - {name: azure, type: AzureOpenAI, endpoint: "${url}", apiVersion: v1, credentials: [{type: Secret, secretRef: {name: keys, key: azure}}]}
    - {name: keyless, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: WorkloadIdentity, workloadIdentity: {identityProviderID: idp-1, serviceAccountID: sa-1, tokenURL: "${url}/oauth/token"}}]}
    - {name: nowhere, type: OpenAICompatible, endpoint: "http://127.0.0.1:9/v1"}
  rules:
    - {name: azure, matches: [{models: [{type: Prefix, value: azure-}]}], backendRefs: [{name: azure, model: gpt-4o}], ${timeouts}}
    - {name: keyless, matches: [{models: [{type: Prefix, value: keyless-}]}], backendRefs: [{name: keyless, model: gpt-4o}], ${timeouts}}
    - {name: nowhere, matches: [{models: [{type: Prefix, value: nowhere-}]}], backendRefs: [{name: nowhere}], ${timeouts}}
    - {name: tight, matches: [{models: [{type: Prefix, value: tight-}]}], backendRefs: [{name: main, model: gpt-4o}], request: {limits: {messages: 1, choices: 1, outputTokens: 10}}}
    - name: all
      matches: [{endpoints: ${everything}, models: [{type: Prefix, value: gpt-}, {type: Prefix, value: text-}, {type: Prefix, value: omni-}, {type: Prefix, value: dall-}, {type: Prefix, value: tts-}, {type: Prefix, value: whisper-}]}]
      backendRefs: [{name: main}]
      request: {systemPrompt: ${JSON.stringify(textIn(garden, "route's system prompt"))}}
      cache: {exact: {ttl: 5m, when: Always}}
      ${timeouts}
  audit: {sink: Stdout}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: ${JSON.stringify({
  first: textIn(garden, "provider key"),
  second: textIn(garden, "second provider key"),
  azure: textIn(garden, "Azure key"),
})}
${quotaYaml(["{name: all, resource: Requests, limit: 100000, window: {type: Sliding, duration: 1m}}", "{name: tokens, resource: TotalTokens, limit: 20000000, window: {type: Sliding, duration: 1m}}"], { extra: "per: [ServiceAccount, Model]" })}`;

function stageConfig(garden: Garden, url: string, signer: Signer): SidecarConfig {
  const secret = Buffer.from(textIn(garden, "keyring secret").slice(0, 32), "latin1").toString("base64");
  return { ...configFrom(stageYaml(garden, url)), podIdentity: identityOf(signer), keys: [{ id: "k1", secret }] };
}

/** The environment that the injector would set; ports are free ones. */
export const environmentOf = (stage: Stage): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  TMPDIR: stage.workFolder,
  HOME: stage.workFolder,
  SIDEGATE_CONFIG: stage.configFolder,
  SIDEGATE_REDIS_FILE: join(stage.configFolder, "redis.json"),
  SIDEGATE_NAMESPACE: testPod.namespace,
  SIDEGATE_SERVICE_ACCOUNT: testPod.serviceAccount,
  SIDEGATE_POD: testPod.pod,
  SIDEGATE_POD_UID: testPod.podUid,
  SIDEGATE_TOKEN_FILE: stage.podToken.file,
  SIDEGATE_TOKENS: stage.tokens.directory,
  SIDEGATE_TOKEN_AUDIENCES: JSON.stringify(audiences),
  SIDEGATE_LISTEN: "127.0.0.1:0",
  SIDEGATE_ADMIN: "127.0.0.1:0",
  SIDEGATE_LOG_LEVEL: "debug",
  SIDEGATE_GRACE_SECONDS: "1",
});
