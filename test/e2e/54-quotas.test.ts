// Quotas as people meet them: what a caller is told, what kubectl and sidegate show, resets, overrides, and one quota over two namespaces.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appDeployment } from "./harness/application.ts";
import { clusterEnv, isOwnCluster, root } from "./harness/cluster.ts";
import { CommandFailed, runCommand } from "./harness/command.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import { apply, get, type KubeObject, kubectl, list, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { callCounted, type QuotaAnswer } from "./harness/quota-calls.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { isAcknowledged, routeStatus } from "./harness/route-status.ts";
import { serviceAddress } from "./harness/service-call.ts";
import { until } from "./harness/until.ts";

/** Redis outlives a run on a cluster that is kept up, and so do the counters of a quota of this name. */
const word = `spending-${randomBytes(3).toString("hex")}`;
const labels = { "sidegate.test/budget": word };
const team = useNamespace("spend", { labels });
/** Its callers have API keys. */
const people = useNamespace("spend-people", { labels });
const overBoth = `e2e-${word}`;

/** Each limit counts a model of its own, so that no test is in the way of another. */
const fixed = { type: "Fixed", duration: "24h" };
const teamLimits = [
  { name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" }, models: ["gpt-4o-mini"] },
  { name: "day", resource: "Requests", limit: 4, window: fixed, models: ["gpt-4.1"] },
  {
    ...{ name: "usd", resource: "Cost", currency: "USD", limit: "0.002", models: ["gpt-4o"] },
    window: { type: "Calendar", period: "Month" },
  },
  { name: "slow", resource: "Requests", limit: 100, window: fixed, models: ["gpt-4.1-mini"] },
];
const quota = (namespace: string, name: string, spec: object): KubeObject => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", metadata: { name, namespace } },
  spec: { targetRefs: [{ group: "", kind: "Namespace", name: namespace }], ...spec },
});

let provider: ClusterProvider;
/** API keys by user. */
const keys = new Map<string, string>();
const key = (user: string): string => keys.get(user) ?? "";
/** By namespace. */
const pods = new Map<string, string>();

/** `sidegate ...` against the cluster; answers its standard output. Throws CommandFailed. */
const sidegate = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> =>
  await runCommand(process.execPath, [join(root, "cmd/sidegate.ts"), ...args], { env: { ...clusterEnv, ...env } });

const call = (namespace: string, model: string, count: number, apiKey?: string): Promise<readonly QuotaAnswer[]> =>
  callCounted({ namespace, pod: pods.get(namespace) ?? "" }, { model, count, apiKey });
const said = (answers: readonly QuotaAnswer[]): readonly string[] =>
  answers.map(({ status, code }) => (code === null ? String(status) : `${status} ${code}`));

interface StoredQuota extends KubeObject {
  readonly status?: {
    readonly usage?: readonly Readonly<Record<string, string>>[];
    readonly resets?: readonly object[];
    readonly overrides?: readonly object[];
  };
}
const statusOf = async (namespace: string, name: string) =>
  (await get<StoredQuota>("aiquota", name, namespace))?.status ?? {};

/** Until the status shows so much of a limit. */
const untilUsed = (namespace: string, name: string, limit: string, used: string): Promise<unknown> =>
  until(`${used} of ${limit} are used`, async () =>
    (await statusOf(namespace, name)).usage?.some((row) => row["limit"] === limit && row["used"] === used),
  );

/** Until an Event of the quota says all that. */
const untilTold = (reason: string, ...words: readonly string[]): Promise<unknown> =>
  until(`an Event ${reason}`, async () =>
    (await list("events", team)).some(
      (event) => event["reason"] === reason && words.every((each) => JSON.stringify(event).includes(each)),
    ),
  );

const startApp = async (namespace: string, spec?: Readonly<Record<string, unknown>>): Promise<void> => {
  await apply([
    credential(namespace, "sk-quotas"),
    airoute({ namespace, provider, ...(spec && { spec }) }),
    appDeployment({ name: "app", namespace, annotations: injected }),
  ]);
  await waitFor("deployment/app", "condition=Available", namespace);
  pods.set(namespace, (await podsOf("app=app", namespace))[0]?.metadata.name ?? "");
};

const startKeyed = async (): Promise<void> => {
  for (const user of ["alice", "bob"]) {
    const place = ["--secret", "callers", "-n", people];
    keys.set(user, (await sidegate(["key", "create", "--user", user, "--id", user, ...place])).trim());
  }
  await startApp(people, { identity: { require: "APIKey", apiKeys: { secretRef: { name: "callers" } } } });
  await until("the route is programmed", async () => isAcknowledged(await routeStatus(people), 1));
};

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(team);
  await apply([
    quota(team, "spend", { limits: teamLimits }),
    quota(people, "each", {
      ...{
        per: ["User"],
        limits: [{ name: "day", resource: "Requests", limit: 2, window: fixed, models: ["gpt-4o"] }],
      },
    }),
    quota(systemNamespace, overBoth, {
      targetRefs: [{ group: "", kind: "Namespace", selector: { matchLabels: labels } }],
      limits: [{ name: "all", resource: "Requests", limit: 4, window: fixed, models: ["gpt-4.1-nano"] }],
    }),
  ]);
  await Promise.all([startApp(team), startKeyed()]);
}, 180_000);
afterAll(() => remove([`aiquota/${overBoth}`], systemNamespace));

describe("a caller", () => {
  test("whose rate is over is told when to come again", async () => {
    const answers = await call(team, "gpt-4o-mini", 6);
    expect(said(answers)).toEqual([...Array(5).fill("200"), "429 rate_limit_exceeded"]);
    const { headers = {}, message = "" } = answers.at(-1) ?? {};
    expect(message).toContain(`quota ${team}/spend, limit rpm (5 requests per 60 s)`);
    expect(message).toMatch(/used 5 requests, this request needs at least 1 requests; resets in \d+ s/);
    expect(headers).toMatchObject({
      "ratelimit-policy": '"spend/rpm";q=5;w=60',
      ratelimit: expect.stringMatching(/^"spend\/rpm";r=0;t=\d+$/),
      "x-ratelimit-limit-requests": "5",
      "x-ratelimit-remaining-requests": "0",
    });
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(answers[0]?.headers["x-ratelimit-remaining-requests"]).toBe("4");
  });

  test("whose budget is spent is told so, and not to come again", async () => {
    const requests = await call(team, "gpt-4.1", 5);
    expect(said(requests)).toEqual([...Array(4).fill("200"), "429 insufficient_quota"]);
    const dollars = await call(team, "gpt-4o", 50);
    expect(said(dollars).slice(0, -1)).toEqual(Array(dollars.length - 1).fill("200"));
    expect(dollars.length).toBeGreaterThan(2);
    expect(dollars.at(-1)).toMatchObject({ status: 429, code: "insufficient_quota" });
    expect(dollars.at(-1)?.message).toMatch(/limit usd \(0\.00(20*)? USD per month \(UTC\)\)/);
    for (const last of [requests.at(-1), dollars.at(-1)]) expect(last?.headers["x-should-retry"]).toBe("false");
  });
});

describe("what is used, what is held, what is left and until when", () => {
  test("stands in kubectl get, and in sidegate top as table and JSON", async () => {
    await provider.script("delay=10000");
    const slow = call(team, "gpt-4.1-mini", 1);
    const counters = async () => {
      const { counters: found } = JSON.parse(await sidegate(["top", "-n", team, "--once", "-o", "json"]));
      return found as readonly Readonly<Record<string, unknown>>[]; // our own command's answer
    };
    await until("a call is held", async () =>
      (await statusOf(team, "spend")).usage?.some(({ limit, reserved }) => limit === "slow" && reserved === "1"),
    );
    const all = await counters();
    const byLimit = (name: string) => all.find(({ limit }) => limit === name);
    const held = { namespace: team, quota: "spend", used: "0", held: "1", remaining: "99", max: "100" };
    expect(byLimit("slow")).toMatchObject(held);
    const dayEndsMs = Math.ceil(Date.now() / 86_400_000) * 86_400_000;
    expect(byLimit("day")).toMatchObject({ used: "4", held: "0", remaining: "0", max: "4", ratio: 1 });
    expect(Math.abs(Date.parse(String(byLimit("day")?.["resetsAt"])) - dayEndsMs)).toBeLessThan(2_000);
    const table = await sidegate(["top", "-n", team, "--once"]);
    expect(table).toMatch(/^QUOTA +LIMIT +SUBJECT +USED +HELD +REMAINING +OF +FULL +RESETS$/m);
    expect(table).toMatch(/^spend +day +\(all\) +4 +0 +0 +4 +100% +in \d/m);
    const [titles = "", row = ""] = (await kubectl(["get", "aiq", "spend", "-n", team, "-o", "wide"])).split("\n");
    expect(titles).toMatch(/LIMIT +USED +REMAINING +RESERVED +RESETS +ACCEPTED/);
    expect(row).toMatch(/^spend +Enforce +\S+ +.*(rpm|day|usd) +[\d.]+ +[\d.]+ +[\d.]+ +\d{4}-\d\d-\d\dT\S+ +True /);
    expect(said(await slow)).toEqual(["200"]);
  }, 60_000);
});

describe("sidegate quota", () => {
  const writer = (text: string): string => /, as (.+?): /.exec(text)?.[1] ?? "nobody";

  test("reset lets calls through again, and says who did it and why", async () => {
    const reset = ["quota", "reset", "spend", "-n", team, "--limit", "day", "--reason", "agreed with finance"];
    const by = writer(await sidegate(reset));
    await until("calls pass", async () => said(await call(team, "gpt-4.1", 1))[0] === "200");
    await untilTold("QuotaReset", "limit day of all subjects", by, "agreed with finance");
    expect((await statusOf(team, "spend")).resets).toEqual([
      { at: expect.any(String), limit: "day", by, reason: "agreed with finance" },
    ]);
  });

  test("reset at a time that lies ahead is refused, whoever writes the annotation", async () => {
    const ahead = JSON.stringify([{ at: "2199-01-01T00:00:00Z", by: "me", reason: "x" }]);
    const written = kubectl(["annotate", "aiq/spend", "-n", team, "--overwrite", `sidegate.dev/reset=${ahead}`]);
    const fault = await written.catch((cause: unknown) => cause);
    expect(fault).toBeInstanceOf(CommandFailed);
    expect(fault instanceof CommandFailed && fault.stderr).toMatch(
      /sidegate\.dev\/reset.*entry 0: at: 2199.* 5 minutes/s,
    );
  });

  test("override lets calls through again for a while, and says who did it and why", async () => {
    const override = ["quota", "override", "spend", "-n", team, "--limit", "usd", "--to", "5.00", "--until", "1h"];
    const by = writer(await sidegate([...override, "--reason", "launch"]));
    await until("calls pass", async () => said(await call(team, "gpt-4o", 1))[0] === "200");
    await untilTold("QuotaOverridden", "limit usd is 5.00", by, "launch");
    const { overrides } = await statusOf(team, "spend");
    expect(overrides).toEqual([
      { limit: "usd", from: "0.002", to: "5.00", until: expect.any(String), by, reason: "launch" },
    ]);
    expect(await sidegate(["top", "-n", team, "--once"])).toMatch(/^spend +usd .* 5\.00 .*\(override\)$/m);
  });

  test.skipIf(!isOwnCluster)("check finds that it holds", async () => {
    const secret = await get<KubeObject & { data: Record<string, string> }>(
      "secret",
      "sidegate-redis",
      systemNamespace,
    );
    const password = Buffer.from(secret?.data["password"] ?? "", "base64").toString("utf8");
    const host = await serviceAddress({ namespace: systemNamespace, name: "sidegate-redis", port: 6379 });
    const url = `redis://sidegate-operator:${encodeURIComponent(password)}@${host}:6379`;
    expect(await sidegate(["quota", "check"], { SIDEGATE_REDIS_URL: url })).toMatch(/ 0 failed/);
  });
});

describe("in another namespace, whose callers have keys", () => {
  test("each user has a counter of its own", async () => {
    const alice = await call(people, "gpt-4o", 3, key("alice"));
    expect(said(alice)).toEqual(["200", "200", "429 insufficient_quota"]);
    expect(alice.at(-1)?.message).toContain("for user=alice;");
    expect(said(await call(people, "gpt-4o", 1, key("bob")))).toEqual(["200"]);
  });

  test("a quota of the operator's namespace counts both by their label", async () => {
    expect(said(await call(team, "gpt-4.1-nano", 2))).toEqual(["200", "200"]);
    const theirs = await call(people, "gpt-4.1-nano", 3, key("bob"));
    expect(said(theirs)).toEqual(["200", "200", "429 insufficient_quota"]);
    expect(theirs.at(-1)?.message).toContain(`quota ${systemNamespace}/${overBoth}, limit all (4 requests`);
    expect(said(await call(team, "gpt-4.1-nano", 1))).toEqual(["429 insufficient_quota"]);
    await untilUsed(systemNamespace, overBoth, "all", "4");
    await untilUsed(people, "each", "day", "2"); // subjects that nobody lists are searched for every 15 s
    const shown = await sidegate(["top", "-A", "--once"]);
    expect(shown).toMatch(new RegExp(`^${systemNamespace}/${overBoth} +all +\\(all\\) +4 +0 +0 +4 +100%`, "m"));
    expect(shown).toMatch(new RegExp(`^${people}/each +day +user=alice +2 +0 +0 +2 +100%`, "m"));
  });
});
