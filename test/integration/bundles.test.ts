/** The files that the image ships, started as the image starts them. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeConfig } from "../../src/config/codec.ts";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { configFrom, openRoute, quotaYaml } from "../fixtures/sidecar.ts";

const execute = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
// The first line of a bundle asks for `node`: this one.
const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}` };
const startMsMax = 15_000;

let folder: string;
let provider: FakeProvider;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sidegate-bundles-"));
  await execute(process.execPath, [join(root, "cmd/build.ts"), "--outdir", join(folder, "dist")]);
  provider = await startFakeProvider();
}, 60_000);

afterAll(async () => {
  await provider.close();
  await rm(folder, { recursive: true, force: true });
});

const bundle = (name: string): string => join(folder, "dist", `${name}.mjs`);

describe("the bundled sidecar", () => {
  test("says what its settings are", async () => {
    const { stdout } = await execute(bundle("sidecar"), ["--help"], { env: environment });
    expect(stdout).toContain("SIDEGATE_CONFIG");
  });

  test("carries its memory ceiling and its guards in its first line", async () => {
    const [firstLine] = (await readFile(bundle("sidecar"), "utf8")).split("\n", 1);
    expect(firstLine).toMatch(/^#!\/usr\/bin\/env -S node /);
    expect(firstLine).toContain("--max-old-space-size=");
    expect(firstLine).toContain("--disable-proto=delete");
  });

  test("holds nothing that knows Kubernetes, YAML or our own fake", async () => {
    const { inputs } = JSON.parse(await readFile(join(folder, "dist/sidecar.meta.json"), "utf8"));
    const foreign =
      /^(src\/(api|compile|resources|operator|cli|demo|fakeprovider)\/|node_modules\/(yaml|@kubernetes)\/)/;
    expect(Object.keys(inputs).filter((path) => foreign.test(path))).toEqual([]);
    expect(Object.keys(inputs)).toContain("src/sidecar/pipeline.ts");
  });

  test("answers a call, says that it is ready, and ends by itself on SIGTERM", async () => {
    const sidecar = await started(bundle("sidecar"), openRoute(provider.url));
    try {
      expect((await fetch(new URL("/readyz", sidecar.admin))).status).toBe(200);
      const answer = await sidecar.chat("gpt-4o");
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ object: "chat.completion" });
      sidecar.child.kill("SIGTERM");
      expect(await sidecar.ended).toBe(0);
    } finally {
      sidecar.child.kill("SIGKILL");
    }
  });
});

describe("conditions of quotas", () => {
  const onRequests = "{name: none, resource: Requests, limit: 1, window: {type: Fixed, duration: 24h}}";
  const conditional = (url: string): string =>
    openRoute(url, { quotas: quotaYaml([onRequests], { extra: `when: "request.model == 'gpt-4o'"` }) });

  test("have a file of their own, which the sidecar does not hold", async () => {
    const inputsOf = async (name: string): Promise<string[]> =>
      Object.keys(JSON.parse(await readFile(join(folder, `dist/${name}.meta.json`), "utf8")).inputs);
    const isReader = (path: string): boolean => /^(node_modules\/@marcbachmann\/|src\/condition\/condition)/.test(path);
    expect((await inputsOf("sidecar")).filter(isReader)).toEqual([]);
    expect((await inputsOf("conditions")).filter(isReader)).not.toEqual([]);
    expect((await inputsOf("sidegate")).filter(isReader)).not.toEqual([]);
  });

  test("are asked by the bundled sidecar, which loads that file when a config comes that has one", async () => {
    const sidecar = await started(bundle("sidecar"), openRoute(provider.url));
    try {
      expect((await sidecar.chat("gpt-4o")).status).toBe(200);
      await sidecar.put(conditional(provider.url));
      expect((await sidecar.chat("gpt-4o")).status).toBe(200); // the one that the limit admits
      expect((await sidecar.chat("gpt-4o")).status).toBe(429);
      expect((await sidecar.chat("gpt-4o-mini")).status).toBe(200);
    } finally {
      sidecar.child.kill("SIGKILL");
    }
  });

  test("are refused with their config where that file is missing, and the last good config stays", async () => {
    const alone = join(folder, "alone");
    await mkdir(alone);
    await copyFile(bundle("sidecar"), join(alone, "sidecar.mjs"));
    const file = join(alone, "sidecar.mjs");
    const sidecar = await started(file, openRoute(provider.url));
    try {
      await sidecar.put(conditional(provider.url), "refused");
      expect(sidecar.said()).toMatch(/quota default\/q: has a condition; .*belongs beside .*conditions\.mjs/);
      for (let i = 0; i < 2; i++) expect((await sidecar.chat("gpt-4o")).status).toBe(200);
    } finally {
      sidecar.child.kill("SIGKILL");
    }
    await expect(started(file, conditional(provider.url))).rejects.toThrow("belongs beside");
  });
});

describe("the bundled command line", () => {
  test("lists its commands", async () => {
    const { stdout } = await execute(bundle("sidegate"), ["help"], { env: environment });
    expect(stdout).toContain("sidegate run");
    expect(stdout).toContain("sidegate validate");
  });

  test("says its version, as the source does", async () => {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const bundled = await execute(bundle("sidegate"), ["version"], { env: environment, cwd: folder });
    const source = await execute(process.execPath, [join(root, "cmd/sidegate.ts"), "version"], { cwd: folder });
    expect([bundled.stdout, source.stdout]).toEqual([`${version}\n`, `${version}\n`]);
  });
});

interface Started {
  readonly child: ChildProcess;
  readonly admin: string;
  readonly ended: Promise<number | null>;
  /** All that it has logged. */
  said(): string;
  chat(model: string): Promise<Response>;
  /** Replaces the config, and waits until the sidecar has taken or refused it. */
  put(yaml: string, outcome?: "in force" | "refused"): Promise<void>;
}

let configs = 0;

/** Starts a bundle with a config of its own. Throws with what was said when it ends instead. */
async function started(file: string, yaml: string): Promise<Started> {
  const configPath = join(folder, `config-${++configs}.json`);
  await writeFile(configPath, encodeConfig(configFrom(yaml)));
  const child = spawn(file, [], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...environment,
      SIDEGATE_CONFIG: configPath,
      SIDEGATE_NAMESPACE: "default",
      SIDEGATE_SERVICE_ACCOUNT: "default",
      SIDEGATE_LISTEN: "127.0.0.1:0",
      SIDEGATE_ADMIN: "127.0.0.1:0",
    },
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  let said = "";
  child.stderr.on("data", (chunk) => (said += chunk));
  /** The whole line that has this message. */
  const line = async (message: string): Promise<string> => {
    for (const startedMs = performance.now(); performance.now() - startedMs < startMsMax; ) {
      const found = said.split("\n").find((each) => each.includes(message) && each.endsWith("}"));
      if (found !== undefined) return found;
      const isOver = await Promise.race([ended.then(() => true), sleep(20, false)]);
      if (isOver) throw new Error(`ended:\n${said}`);
    }
    throw new Error(`never said ${message}:\n${said}`);
  };
  const { url, admin } = JSON.parse(await line('"msg":"listening"'));
  return {
    ...{ child, admin, ended, said: () => said },
    chat: (model) =>
      fetch(new URL("/v1/chat/completions", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] }),
      }),
    put: async (next, outcome = "in force") => {
      await writeFile(`${configPath}.next`, encodeConfig(configFrom(next)));
      await rename(`${configPath}.next`, configPath);
      await line(outcome === "refused" ? "config refused" : "config in force");
    },
  };
}
