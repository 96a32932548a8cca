/** `sidegate` as a process: what it says of faults that nobody foresaw, its exit codes, and a reader that has gone. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { json, type Script, startScriptedServer } from "../fixtures/scripted-api-server.ts";

const command = resolve(import.meta.dirname, "../../cmd/sidegate.ts");
const folder = mkdtempSync(join(tmpdir(), "sidegate-command-line-"));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (args: readonly string[], env: Record<string, string> = {}) => {
  const child = spawn(process.execPath, [command, ...args], { env: { ...process.env, ...env } });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  child.stdin.end();
  return { child, ended: once(child, "close").then(([code]) => ({ code, ...said })) };
};

/** As `sidegate ... | true`. */
const unread = async (args: readonly string[]) => {
  const { child, ended } = start(args);
  child.stdout.destroy();
  return await ended;
};

const kubeconfig = (name: string, server: string, user: object = {}): string => {
  const file = join(folder, name);
  writeFileSync(
    file,
    stringify({
      clusters: [{ name: "c", cluster: { server } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "team" } }],
      "current-context": "x",
    }),
  );
  return file;
};

const serve = async (name: string, script: Script) => {
  const server = await startScriptedServer(script);
  return { ...server, file: kubeconfig(name, server.url) };
};

describe("faults", () => {
  test("a plugin that is not installed is trouble in one line, and not that quotas do not hold", async () => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "no-such-plugin", args: ["S3CRET"] };
    const file = kubeconfig("exec", "https://127.0.0.1:1", { exec });
    const checked = await start(["quota", "check", "--redis", "redis://127.0.0.1:1", "--kubeconfig", file]).ended;
    expect(checked).toEqual({
      ...{ code: 2, stdout: "" },
      stderr: "sidegate: kubeconfig: no credentials for user u: its plugin no-such-plugin cannot be started (ENOENT)\n",
    });
    expect(await start(["top", "--once", "--kubeconfig", file]).ended).toEqual({ ...checked, code: 1 });
  });

  test("that nobody foresaw are one line and exit code 2; where it happened is shown on request", () => {
    const full = openSync("/dev/full", "w");
    const run = (env: Record<string, string>) =>
      spawnSync(process.execPath, [command, "version"], {
        ...{ env: { ...process.env, ...env }, stdio: ["ignore", full, "pipe"], encoding: "utf8" },
      });
    const plain = run({});
    expect([plain.status, plain.stderr]).toEqual([
      2,
      "sidegate: Error: ENOSPC: no space left on device, write (SIDEGATE_STACK=1 shows where)\n",
    ]);
    const { status, stderr } = run({ SIDEGATE_STACK: "1" });
    closeSync(full);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^sidegate: Error: ENOSPC: [^\n]+\n {4}at /)]);
  });

  test("a URL of Redis that is none is told where it stands", async () => {
    const env = { SIDEGATE_REDIS_URL: "redis:/typo" };
    const { code, stderr } = await start(["quota", "check"], env).ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^sidegate: SIDEGATE_REDIS_URL: not a redis:/)]);
    const option = await start(["quota", "check", "--redis", "redis:/typo"], env).ended;
    expect(option.stderr).toMatch(/^sidegate: --redis: not a redis:/);
  });
});

describe("whose reader has gone", () => {
  test("ends without a word, with its own exit code", async () => {
    expect(await unread(["help"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await unread([])).toEqual({ code: 2, stdout: "", stderr: "" });
  });

  test("top ends", async () => {
    const { file, stop } = await serve("top", (_, answer) => json(answer, 200, { metadata: { resourceVersion: "1" } }));
    try {
      expect(await unread(["top", "--interval", "1s", "--kubeconfig", file])).toEqual({
        ...{ code: 0, stdout: "", stderr: "" },
      });
    } finally {
      stop();
    }
  });

  test("a key that nobody has got is a failure that says what to do", async () => {
    const file = join(folder, "keys.yaml");
    const args = ["key", "create", "--secret", "keys", "--user", "alice", "--id", "web", "-f", file];
    const { code, stderr } = await unread(args);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^sidegate: Key web is in .*nobody has it: revoke it\n$/),
    ]);
    expect(readFileSync(file, "utf8")).toContain("web:");
  });

  test("of two keys it says as well when the old one ends", async () => {
    const where = ["--secret", "keys", "-f", join(folder, "rotated.yaml")];
    expect((await start(["key", "create", "--user", "alice", "--id", "web", ...where]).ended).code).toBe(0);
    const { code, stderr } = await unread(["key", "rotate", "web", ...where]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^sidegate: Key web-2 .*nobody has it: revoke it\nThe old key web ends at [^\n]+\n$/),
    ]);
  });

  test("a key that finds the disk full, too", () => {
    const full = openSync("/dev/full", "w");
    const file = join(folder, "full.yaml");
    const args = [command, "key", "create", "--secret", "keys", "--user", "alice", "--id", "web", "-f", file];
    const { status, stderr } = spawnSync(process.execPath, args, {
      ...{ stdio: ["ignore", full, "pipe"], encoding: "utf8" },
    });
    closeSync(full);
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^sidegate: Key web is in .*nobody has it: revoke it\nsidegate: Error: ENOSPC: [^\n]+\n$/),
    ]);
  });
});

test("Ctrl-C ends top at once, also while the API server does not answer", async () => {
  const { file, seen, stop } = await serve("hanging", () => undefined);
  try {
    const { child, ended } = start(["top", "--once", "--kubeconfig", file]);
    await expect.poll(() => seen.length, { timeout: 15_000 }).toBe(1);
    const sentMs = performance.now();
    child.kill("SIGINT");
    expect(await ended).toEqual({ code: 1, stdout: "", stderr: "" });
    expect(performance.now() - sentMs).toBeLessThan(5_000);
  } finally {
    stop();
  }
});
