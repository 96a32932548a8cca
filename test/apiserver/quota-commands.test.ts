/** `sidegate top`, `quota reset`, `quota override` and `quota check` on a real API server and a real Redis. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { ask, installCrds, kubeconfigText, serviceAccountKubeconfig, useApiServer } from "./harness.ts";

const server = useApiServer({ withControllerManager: true });
const namespace = "budget-team";
const quotas = `/apis/sidegate.dev/v1alpha1/namespaces/${namespace}/aiquotas`;
const outputMs = 20_000;

const start = (args: readonly string[], kubeconfig = server().kubeconfig, env: Record<string, string> = {}) => {
  const command = resolve(import.meta.dirname, "../../cmd/sidegate.ts");
  const child = spawn(process.execPath, [command, ...args, "--kubeconfig", kubeconfig], {
    env: { ...process.env, ...env },
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  child.stdin.end();
  return { child, said };
};
const sidegate = async (...args: Parameters<typeof start>) => {
  const { child, said } = start(...args);
  const [code] = await once(child, "close");
  return { code, ...said };
};

const quota = (name: string) => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIQuota",
  metadata: { name },
  spec: {
    targetRefs: [{ group: "", kind: "Namespace", name: namespace }],
    per: ["User"],
    limits: [
      { name: "day", resource: "Requests", limit: 100, window: { type: "Fixed", duration: "24h" } },
      {
        ...{ name: "month", resource: "Cost", currency: "USD", limit: "500.00" },
        window: { type: "Calendar", period: "Month" },
      },
    ],
  },
});
const usage = (used: string) => [
  {
    ...{ limit: "day", subject: "user=alice", used, reserved: "1", remaining: "0" },
    ...{ resetsAt: "2030-01-01T00:00:00Z", observedAt: new Date().toISOString() },
  },
];
const writeUsage = (name: string, used: string) =>
  ask(
    server(),
    "PATCH",
    `${quotas}/${name}/status`,
    { status: { usage: usage(used) } },
    "application/merge-patch+json",
  );
const annotation = async (name: string, key: string): Promise<unknown> => {
  const { body } = await ask(server(), "GET", `${quotas}/${name}`);
  const { annotations } = (body as { metadata: { annotations?: Record<string, string> } }).metadata; // an object
  return annotations?.[key] === undefined ? undefined : JSON.parse(annotations[key]);
};

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
  await installCrds(server());
  await ask(server(), "POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  for (const name of ["budget", "other"]) {
    const { status, body } = await ask(server(), "POST", quotas, quota(name));
    expect([201, 409], JSON.stringify(body)).toContain(status);
  }
  expect((await writeUsage("budget", "80")).status).toBe(200);
}, 60_000);
afterAll(() => redis.stop());

describe("quotas from the command line", { timeout: 60_000 }, () => {
  test("top shows what was used, once, as JSON, and live as it changes", async () => {
    const shown = await sidegate(["top", "-n", namespace, "--once"]);
    expect([shown.code, shown.stderr]).toEqual([0, ""]);
    expect(shown.stdout).toMatch(/^budget +day +user=alice +80 +1 +19 +100 +81% +in \d+d/m);
    expect(shown.stdout).toMatch(/^other +month +- +- +- +- +500\.00 +- +-$/m);
    const { counters } = JSON.parse((await sidegate(["top", "-A", "-o", "json"])).stdout);
    expect(counters).toContainEqual(expect.objectContaining({ namespace, quota: "budget", used: "80", ratio: 0.81 }));

    const live = start(["top", "-n", namespace, "--interval", "1s"]);
    const shows = (text: string) => expect.poll(() => live.said.stdout, { timeout: outputMs }).toContain(text);
    await shows("user=alice    80");
    await writeUsage("budget", "95");
    await shows("user=alice    95");
    const closed = once(live.child, "close");
    live.child.kill("SIGINT");
    expect(await closed).toEqual([0, null]);
    expect(live.said.stdout, "no terminal, no sequences").not.toContain("\u001b");
  });

  test("a reset and an override say who wrote them, and the API server takes them", async () => {
    const reset = ["quota", "reset", "budget", "-n", namespace, "--reason", "agreed with finance"];
    const done = await sidegate([...reset, "--limit", "day", "--subject", "user=alice"]);
    expect([done.code, done.stderr]).toEqual([0, ""]);
    expect(done.stdout).toContain(`Reset limit day of AIQuota ${namespace}/budget for user=alice, as admin:`);
    expect(await annotation("budget", "sidegate.dev/reset")).toEqual([
      {
        at: expect.any(String),
        limit: "day",
        subject: "user=alice",
        by: "admin",
        reason: "agreed with finance",
      },
    ]);
    const override = ["quota", "override", "budget", "-n", namespace];
    const more = await sidegate([
      ...override,
      ...["--limit", "month", "--to", "800", "--until", "2h", "--reason", "month end"],
    ]);
    expect([more.code, more.stdout]).toEqual([0, expect.stringContaining("is 800 instead of 500.00 until")]);
    expect((await sidegate(["top", "-n", namespace, "--once"])).stdout).toMatch(/month.*800\.00.*override/);
    expect((await sidegate([...override, "--clear"])).stdout).toContain("is taken away; it was by admin: month end");
    expect(await annotation("budget", "sidegate.dev/override")).toBeUndefined();
    expect((await sidegate([...override, "--clear"])).code).toBe(1);
  });

  test("many who write at once lose nothing", async () => {
    const subjects = ["user=a", "user=b", "user=c"];
    const runs = subjects.map((subject) =>
      sidegate(["quota", "reset", "other", "-n", namespace, "--subject", subject, "--reason", "x"]),
    );
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual([0, 0, 0]);
    const written = (await annotation("other", "sidegate.dev/reset")) as { subject: string }[]; // as this command writes it
    expect(written.map(({ subject }) => subject).sort()).toEqual(subjects);
  });

  test("who may not is told so, by name of what is missing", async () => {
    await ask(server(), "POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: "nobody" } });
    const config = await serviceAccountKubeconfig(server(), namespace, "nobody");
    const refused = await sidegate(["quota", "reset", "budget", "-n", namespace, "--reason", "x"], config);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/cannot get resource "aiquotas"/)]);
    expect((await sidegate(["top", "-n", namespace, "--once"], config)).code).toBe(1);
    const wrong = join(server().folder, "wrong.kubeconfig");
    writeFileSync(wrong, kubeconfigText(server(), "no-token"));
    expect((await sidegate(["top", "--once"], wrong)).stderr).toContain("401");
  });

  test("check compares Redis with the cluster's quotas", async () => {
    const env = { SIDEGATE_REDIS_URL: redis.url };
    const check = ["quota", "check", "-n", namespace];
    const idle = await sidegate(check, undefined, env);
    expect([idle.code, idle.stdout]).toEqual([2, expect.stringContaining("this Redis has no counter of these quotas")]);
    const typo = await sidegate(["quota", "check", "-n", "budget-tema"], undefined, env);
    expect([typo.code, typo.stderr]).toEqual([2, "sidegate: there is no AIQuota in namespace budget-tema\n"]);
    const day = Math.floor(Date.now() / 86_400_000);
    const count = (units: number) =>
      redis.command(`HSET sg:{${namespace}}:fixed:86400000:${namespace}/other/day/user=bob ${day} ${units}`);
    await count(100);
    const good = await sidegate(check, undefined, env);
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining("used + held <= limit")]);
    await count(101);
    const bad = await sidegate(check, undefined, env);
    expect([bad.code, bad.stdout]).toEqual([
      1,
      expect.stringContaining(`AIQuota ${namespace}/other, limit day, user=bob: 101, limit 100`),
    ]);
    const away = await sidegate([...check, "--redis", "redis://127.0.0.1:1"]);
    expect([away.code, away.stderr]).toEqual([2, expect.stringContaining("Redis is not connected (ECONNREFUSED)")]);
  });
});
