import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { QuotaConfig } from "../../config/quota.ts";
import { counterKey, partsOfCounterKey } from "../../redis/keys.ts";
import { SidecarMetrics } from "../metrics.ts";
import { checkCounter } from "../stores/claims.ts";
import { boundClaims } from "./claim-bound.ts";
import { quotaChoice } from "./condition.ts";
import { type PlannedClaim, planClaims } from "./plan.ts";
import { groupsCountedMax, subjectsOf } from "./subject.ts";

type Exchange = Parameters<typeof planClaims>[1];

const exchangeOf = (caller: Partial<Exchange["identity"]> = {}, address = "10.1.2.3"): Exchange =>
  ({
    identity: { namespace: "team", serviceAccount: "bot", pod: "bot-1", ...caller },
    quotaTarget: { route: "main", backend: "azure-eu" },
    model: "gpt-4o",
    streamed: false,
    match: { endpoint: { name: "ChatCompletions", metered: "usage" } },
    rule: { name: "all" },
    arrival: { address, port: "pod" },
    clock: { nowMs: () => 0 },
    estimate: { inputTokens: 1, outputTokens: 1, outputCap: 1, choices: 1, capAsked: true, capWanted: false },
  }) as unknown as Exchange; // what planning reads of an exchange

const quotaOf = (per: QuotaConfig["per"], more: Partial<QuotaConfig> = {}): QuotaConfig => ({
  namespace: "team",
  name: "q",
  mode: "Enforce",
  failurePolicy: "Deny",
  per,
  limits: [{ name: "rpm", resource: "Requests", limit: 5, burst: 0, window: { type: "Fixed", durationMs: 60_000 } }],
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  ...more,
});
const model = { outputTokensMax: 1000, imageTokensMax: 1000 };

describe("a subject", () => {
  const alice = { user: "alice@example.com", tenant: "acme", clientKey: "ci-7", app: "chat", groups: ["dev"] };
  test.each([
    [["User"], "user=alice=40example.com"],
    [["Tenant"], "tenant=acme"],
    [["ClientKey"], "key=ci-7"],
    [["App"], "app=chat"],
    [["SourceIP"], "ip=10.1.2.3"],
    [["Group"], "group=dev"],
    [["Tenant", "User", "Model"], "tenant=acme:user=alice=40example.com:model=gpt-4o"],
    [["Pod", "ServiceAccount"], "pod=bot-1:sa=team/bot"],
    [["Backend"], "backend=main/azure-eu"],
    [["Tenant", "Backend"], "tenant=acme:backend=main/azure-eu"],
  ] as const)("by %j is %s", (per, subject) => {
    expect(subjectsOf(quotaOf([...per]), exchangeOf(alice))).toEqual([subject]);
  });

  test.each([
    [["Pod"], "pod=team/bot-1"],
    [["App"], "app=team/chat"],
    [["Backend", "Model"], "backend=team/main/azure-eu:model=gpt-4o"],
    [["ClientKey"], "key=team/ci-7"],
    [["User", "Tenant", "Group"], "user=alice=40example.com:tenant=acme:group=dev"],
    [["Namespace", "ServiceAccount", "Model"], "ns=team:sa=team/bot:model=gpt-4o"],
    [[], "all"],
  ] as const)("over namespaces, by %j, is %s: names of two namespaces are two", (per, subject) => {
    expect(subjectsOf(quotaOf([...per], { scope: "Cluster" }), exchangeOf(alice))).toEqual([subject]);
  });

  test("is - where the caller has no such part, and a part of that name is another", () => {
    const per = quotaOf(["User", "Tenant", "ClientKey", "App", "Group"]);
    expect(subjectsOf(per, exchangeOf())).toEqual(["user=-:tenant=-:key=-:app=-:group=-"]);
    expect(subjectsOf(quotaOf(["Tenant"]), exchangeOf({ tenant: "-" }))).toEqual(["tenant==2d"]);
  });

  test("by Backend tells routes apart, and names that a key cannot hold", () => {
    const of = (route: string, backend: string) =>
      subjectsOf(quotaOf(["Backend"]), { ...exchangeOf(), quotaTarget: { route, backend } })[0];
    expect(of("a", "b")).not.toBe(of("b", "a"));
    expect(of("a/b", "c")).not.toBe(of("a", "b/c"));
    expect(of("a/b", "c:d")).toBe("backend=a=2fb/c=3ad");
    const long = of("r".repeat(253), "b".repeat(253)) ?? "";
    expect(long).toMatch(/^backend=sha256=[0-9a-f]{64}\/sha256=[0-9a-f]{64}$/);
  });

  test("by Backend is none where there is no backend to call: nobody is asked anything", () => {
    const nowhere = { ...exchangeOf(alice), quotaTarget: undefined };
    expect(subjectsOf(quotaOf(["User", "Backend"]), nowhere)).toEqual([]);
    expect(planClaims([quotaOf(["Backend"]), quotaOf(["User"])], nowhere, model)).toHaveLength(1);
  });

  test("by SourceIP is the /64 of an IPv6 address, and one for both spellings of an IPv4 address", () => {
    const of = (address: string) => subjectsOf(quotaOf(["SourceIP"]), exchangeOf({}, address));
    expect(of("2001:db8:1:2::9")).toEqual(of("2001:db8:1:2:ffff::1"));
    expect(of("2001:db8:1:2::9")).not.toEqual(of("2001:db8:1:3::9"));
    expect(of("::ffff:10.1.2.3")).toEqual(of("10.1.2.3"));
  });

  test("is always one that a store takes, and callers that differ have subjects that differ", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 256 }).filter((each) => each.isWellFormed());
    const caller = fc.record({ user: text, tenant: text, clientKey: text, groups: fc.array(text, { maxLength: 4 }) });
    const quota = quotaOf(["User", "Tenant", "ClientKey", "Group", "App", "SourceIP", "Model", "Endpoint", "Backend"], {
      namespace: "n".repeat(63),
      name: "q".repeat(253),
      limits: [
        { name: "l".repeat(63), resource: "Concurrency", limit: 1, burst: 0, resets: { all: Date.UTC(5000, 0, 1) } },
      ],
    });
    const counters = (who: Partial<Exchange["identity"]>) => {
      const planned = planClaims([quota], exchangeOf(who), model);
      for (const { claim } of planned) checkCounter(quota.namespace, claim.counter, claim.window);
      for (const { claim, subject } of planned)
        expect(partsOfCounterKey(counterKey(quota.namespace, claim.counter, claim.window))?.subject).toBe(subject);
      return planned.map(({ claim }) => claim.counter);
    };
    fc.assert(
      fc.property(caller, caller, (one, other) => {
        const mine = counters(one);
        expect(new Set(mine).size).toBe(Math.max(1, new Set(one.groups).size));
        if (one.user !== other.user) expect(new Set(mine).isDisjointFrom(new Set(counters(other)))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a quota by Group", () => {
  const groups = Array.from({ length: groupsCountedMax }, (_, i) => `g${String(i).padStart(2, "0")}`);

  test("claims once for each group, whatever their order and however often one is named", () => {
    const subjects = (list: readonly string[]) => subjectsOf(quotaOf(["Group"]), exchangeOf({ groups: list }));
    expect(subjects(["b", "a", "b"])).toEqual(["group=a", "group=b"]);
    expect(subjects(groups)).toHaveLength(groupsCountedMax);
  });

  test("refuses a caller who is in more than can be counted", () => {
    const many = exchangeOf({ groups: [...groups, "one-more"] });
    expect(() => subjectsOf(quotaOf(["Group"]), many)).toThrow(
      expect.objectContaining({ code: "too_many_groups", status: 403, message: expect.stringContaining("17 groups") }),
    );
  });

  test("counts the first of them in mode Audit, and refuses nobody", () => {
    const many = exchangeOf({ groups: ["zz", ...groups] });
    const subjects = subjectsOf(quotaOf(["Group"], { mode: "Audit" }), many);
    expect(subjects).toEqual(groups.map((group) => `group=${group}`));
  });
});

describe("the claims of a request", () => {
  const limits = Array.from({ length: 16 }, (_, i) => ({
    ...{ name: `l${i}`, resource: "Requests", limit: 5, burst: 0 },
    window: { type: "Fixed", durationMs: 60_000 },
  })) as QuotaConfig["limits"]; // literals, widened by the spread
  const groups = ["a", "b", "c", "d"];
  const planned = (...quotas: QuotaConfig[]) => planClaims(quotas, exchangeOf({ groups }), model);
  const metrics = () => new SidecarMetrics({ storeUp: () => true, settlementsPending: () => 0, defaults: false });

  test("may be as many as a reservation takes", () => {
    const claims: readonly PlannedClaim[] = planned(quotaOf(["Group"], { limits }));
    expect(claims).toHaveLength(64);
    expect(boundClaims(claims, metrics())).toBe(claims);
  });

  test("are refused when they are more: none is passed by", () => {
    const claims = planned(quotaOf(["Group"], { limits }), quotaOf([], { name: "other" }));
    expect(() => boundClaims(claims, metrics())).toThrow(
      expect.objectContaining({ code: "too_many_limits", status: 403, message: expect.stringContaining("65 limits") }),
    );
  });

  test("of mode Audit give way, and it is counted that they did", async () => {
    const audit = quotaOf(["Group"], { name: "audit", mode: "Audit", limits });
    const sight = metrics();
    const kept = boundClaims(planned(audit, quotaOf([], { name: "enforced" })), sight);
    expect(kept).toHaveLength(64);
    expect(kept.filter(({ claim }) => claim.enforced)).toHaveLength(1);
    expect(await sight.registry.metrics()).toContain(
      'sidegate_quota_decisions_total{quota="team/audit",limit="l15",decision="not_counted"} 1',
    );
  });
});

describe("quotas with a condition", () => {
  const failures: string[] = [];
  const chosen = (caller: Partial<Exchange["identity"]>, ...quotas: QuotaConfig[]) =>
    quotaChoice(quotas, ({ name }) => failures.push(name))(exchangeOf(caller)).map(({ name }) => name);
  const when = (text: string, name = "q") => quotaOf([], { name, when: text });

  test("count those for whom it holds", () => {
    const quotas = [when("identity.tenant != 'internal'", "paying"), quotaOf([], { name: "always" })];
    expect(chosen({ tenant: "acme" }, ...quotas)).toEqual(["paying", "always"]);
    expect(chosen({ tenant: "internal" }, ...quotas)).toEqual(["always"]);
    expect(chosen({}, ...quotas)).toEqual(["paying", "always"]);
    expect(failures).toEqual([]);
  });

  test("are told of the request, too", () => {
    expect(chosen({}, when("request.model == 'gpt-4o' && !request.streamed"))).toEqual(["q"]);
    expect(chosen({}, when("request.sourceIP == '10.9.9.9'"))).toEqual([]);
    expect(chosen({}, when("request.endpoint == 'ChatCompletions'"))).toEqual(["q"]);
  });

  test("count when it cannot be parsed or told, and say so", () => {
    failures.length = 0;
    expect(chosen({}, when("identity.something_newer == 'a'"))).toEqual(["q"]);
    expect(chosen({ groups: Array.from({ length: 300 }, String) }, when("'x' in identity.groups"))).toEqual(["q"]);
    expect(failures).toEqual(["q", "q"]);
  });

  test("are never passed by for what a text says that nobody can read", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        fc.pre(text.trim() !== "false");
        expect(chosen({}, when(text))).toEqual(["q"]);
      }),
    );
  });

  test("cost nothing where there are none", () => {
    const quotas = [quotaOf([])];
    expect(quotaChoice(quotas, () => undefined)(exchangeOf())).toBe(quotas);
  });
});
