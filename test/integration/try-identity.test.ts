/** All of identity on one machine: `sidegate run --issuer`, `sidegate key` and `sidegate whoami` as processes, and the official SDK. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { chat, send, until } from "../fixtures/calls.ts";

const root = resolve(import.meta.dirname, "../..");
const temporary = tmpdir();
/** Each process takes seconds to start on a busy machine. */
const processesMs = 90_000;

interface Run {
  readonly url: string;
  readonly admin: string;
  readonly issuer: string;
  readonly output: () => string;
  /** Resolves with the exit code. */
  stop(): Promise<number | null>;
}

let folder: string;
let file: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(temporary, "try-identity-"));
  file = join(folder, "resources.yaml");
});
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
  rmSync(folder, { recursive: true });
});

/** `TMPDIR` is the test's folder: what is left there is seen. */
const command = (args: readonly string[]): ChildProcess => {
  const env = { ...process.env, TMPDIR: folder, OPENAI_API_KEY: "", SIDEGATE_TOKEN: "" };
  return spawn(process.execPath, ["cmd/sidegate.ts", ...args], { cwd: root, env });
};

const runWith = async (...args: string[]): Promise<Run> => {
  const free = "127.0.0.1:0";
  const child = command(["run", "--issuer", free, "--listen", free, "--admin", free, "--grace", "1", ...args]);
  children.push(child);
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  if (!child.stderr) throw new Error("no stderr");
  for await (const line of createInterface({ input: child.stderr })) {
    output += `${line}\n`;
    const record = line.startsWith("{") ? JSON.parse(line) : {};
    if (record.msg !== "listening") continue;
    const stop = async (): Promise<number | null> => {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      return child.exitCode;
    };
    return { url: record.url, admin: record.admin, issuer: record.issuer, output: () => output, stop };
  }
  throw new Error(`sidegate ended: ${output}`);
};

/** A command to its end. */
const sidegate = async (args: readonly string[], input = "") => {
  const child = command(args);
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdin?.end(input);
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
};

const tokenOf = async (url: string): Promise<string> => (await (await fetch(url)).text()).trim();
const sdk = (run: Run, apiKey: string) => new OpenAI({ baseURL: `${run.url}/v1`, apiKey, maxRetries: 0 });
const call = (run: Run, apiKey: string, model = "gpt-4o-mini") =>
  sdk(run, apiKey).chat.completions.create({ model, messages: [{ role: "user", content: "hello" }] });
const coded = (status: number, code: string) => expect.objectContaining({ status, code });

describe("sidegate run --demo --issuer", { timeout: processesMs }, () => {
  test("serves the official SDK with tokens, each by its roles, and proves the workload", async () => {
    const run = await runWith("--demo");
    const alice = await tokenOf(`${run.issuer}/token?sub=alice&roles=analyst`);
    const bob = await tokenOf(`${run.issuer}/token?sub=bob`);
    expect((await call(run, alice, "gpt-4o")).choices).toHaveLength(1);
    expect((await call(run, bob)).choices).toHaveLength(1);
    await expect(call(run, bob, "gpt-4o")).rejects.toEqual(coded(403, "caller_not_allowed"));
    await expect(sdk(run, alice).files.list()).rejects.toEqual(coded(403, "caller_not_allowed"));
    expect((await sdk(run, await tokenOf(`${run.issuer}/token?roles=admin`)).files.list()).data).toEqual([]);
    await expect(call(run, "any")).rejects.toEqual(coded(401, "bearer_refused"));
    await expect(call(run, await tokenOf(`${run.issuer}/token?expires=-5m`))).rejects.toThrow(/token_expired/);
    // A new key of the issuer is fetched; the old one's tokens go on.
    await fetch(`${run.issuer}/rotate`, { method: "POST" });
    expect((await call(run, await tokenOf(`${run.issuer}/token`))).choices).toHaveLength(1);
    expect((await call(run, bob)).choices).toHaveLength(1);
    const { json } = await send(`${run.admin}/status`);
    expect(json["identity"]).toMatchObject({ standing: "verified" });
    expect(run.output()).toContain(`${run.issuer}/token?sub=alice`);
    expect(run.output()).not.toContain(alice.split(".")[1]);
    expect(await run.stop()).toBe(0);
    const left = readdirSync(folder);
    expect(left).toEqual([]); // the pod's tokens are gone
  });

  test("refuses a place that others can reach", async () => {
    const { code, stderr } = await sidegate(["run", "--demo", "--issuer", "0.0.0.0:0"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("must be a loopback address")]);
  });
});

const route = (provider: FakeProvider, more: string, credentials = ""): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: main, namespace: default}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: default}]
  ${more}
  backends: [{name: p, type: OpenAI, endpoint: "${provider.url}/v1", credentials: [${credentials || "{type: Secret, secretRef: {name: p, key: key}}"}]}]
  rules:
    - {name: all, matches: [{models: [{value: gpt-4o-mini}]}], backendRefs: [{name: p}]}
---
apiVersion: v1
kind: Secret
metadata: {name: p, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: {key: sk-1}
`;

describe("sidegate run -f", { timeout: processesMs }, () => {
  let provider: FakeProvider;
  beforeEach(async () => {
    provider = await startFakeProvider();
  });
  afterEach(() => provider.close());

  test("takes API keys as soon as they are made, and no longer when they are revoked", async () => {
    writeFileSync(file, route(provider, "identity: {require: APIKey, apiKeys: {secretRef: {name: callers}}}"));
    const made = await sidegate(["key", "create", "--secret", "callers", "-f", file, "--user", "alice", "--id", "web"]);
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^sgk-web-[A-Za-z0-9_-]{43}\n$/)]);
    const [web, run] = [made.stdout.trim(), await runWith("-f", file)];
    expect((await call(run, web)).choices).toHaveLength(1);

    const rotated = await sidegate(["key", "rotate", "web", "--secret", "callers", "-f", file]);
    const next = rotated.stdout.trim();
    await until("the new key", async () => (await call(run, next).catch(() => undefined)) !== undefined);
    expect((await call(run, web)).choices).toHaveLength(1);

    await sidegate(["key", "revoke", "web", "--secret", "callers", "-f", file]);
    await until("refused", async () => (await call(run, web).catch(({ code }) => code)) === "api_key_refused");
    expect((await call(run, next)).choices).toHaveLength(1);
    expect(run.output()).not.toContain(next.slice(-43));

    const who = await sidegate(["whoami", "-f", file], next);
    expect([who.code, who.stdout]).toEqual([0, expect.stringMatching(/^user +alice\n/m)]);
    expect(who.stdout).toMatch(/^open +all +gpt-4o-mini/m);
    const gone = await sidegate(["whoami", "-f", file, "-o", "json"], web);
    expect([gone.code, JSON.parse(gone.stdout).refusal.code]).toEqual([1, "api_key_refused"]);
    expect(gone.stdout + gone.stderr).not.toContain(web.slice(-43));
    expect((await sidegate(["key", "list", "--secret", "callers", "-f", file])).stdout).toMatch(
      /^web-2 +alice .*active$/m,
    );
  });

  test("takes tokens of the cluster's half, as other pods have them", async () => {
    writeFileSync(
      file,
      route(provider, "identity: {require: Bearer, issuers: [{type: Cluster, audiences: [support]}]}"),
    );
    const run = await runWith("-f", file);
    const bot = await tokenOf(`${run.issuer}/cluster/token?serviceAccount=demo/bot`);
    expect((await call(run, bot)).choices).toHaveLength(1);
    await expect(call(run, await tokenOf(`${run.issuer}/token`))).rejects.toThrow(/issuer_mismatch/);
    const who = await sidegate(["whoami", "-f", file, "--cluster-issuer", `${run.issuer}/cluster`], bot);
    expect([who.code, who.stdout]).toEqual([0, expect.stringContaining("system:serviceaccount:demo:bot")]);
  });

  test("exchanges the workload's own token, so that no key is needed", async () => {
    const credential = `{type: WorkloadIdentity, workloadIdentity: {identityProviderID: idp, serviceAccountID: sa, tokenURL: "${provider.url}/oauth/token"}}`;
    writeFileSync(file, route(provider, "", credential));
    const run = await runWith("-f", file);
    const answer = await send(`${run.url}/v1/chat/completions`, { body: { ...chat("hi"), model: "gpt-4o-mini" } });
    expect(answer.status).toBe(200);
    expect(provider.requests.map(({ path }) => path)).toEqual(["/oauth/token", "/v1/chat/completions"]);
    const tokens = join(folder, readdirSync(folder).find((name) => name.startsWith("sidegate-pod-")) ?? "");
    expect(statSync(tokens).mode & 0o777).toBe(0o700);
    expect(existsSync(join(tokens, "token-2"))).toBe(true);
  });
});

test.each([
  { args: ["whoami", "eyJhbGciOi.Canary.x"], code: 2, says: "--token-file" },
  { args: ["key", "revoke", "a", "--secret", "x", "-f", "nowhere.yaml"], code: 1, says: "no such Secret" },
])("sidegate $args.0 with bad input ends with $code and says what to write", async ({ args, code, says }) => {
  const ended = await sidegate(args);
  expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, "", expect.stringContaining(says)]);
  expect(ended.stderr).not.toContain("Canary");
});
