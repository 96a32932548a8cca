/** The files that the image ships, started as the image starts them. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeConfig } from "../../src/config/codec.ts";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { configFrom, openRoute } from "../fixtures/sidecar.ts";

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
    const configPath = join(folder, "config.v2.json");
    await writeFile(configPath, encodeConfig(configFrom(openRoute(provider.url))));
    const child = spawn(bundle("sidecar"), [], {
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
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    try {
      const { url, admin } = await listening(child.stderr, ended);
      expect((await fetch(new URL("/readyz", admin))).status).toBe(200);
      const answer = await fetch(new URL("/v1/chat/completions", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "hello" }] }),
      });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ object: "chat.completion" });
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
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

/** Reads log lines until the one that names the addresses. Throws with what was said when the process ends before. */
async function listening(
  lines: NodeJS.ReadableStream,
  ended: Promise<number | null>,
): Promise<{ url: string; admin: string }> {
  let said = "";
  return await new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`not listening after ${startMsMax} ms:\n${said}`)), startMsMax);
    void ended.then((code) => failed(new Error(`ended with ${code}:\n${said}`)));
    lines.on("data", (chunk) => {
      said += chunk;
      for (const line of said.split("\n")) {
        if (!line.includes('"msg":"listening"') || !line.endsWith("}")) continue;
        clearTimeout(timer);
        found(JSON.parse(line));
      }
    });
  });
}
