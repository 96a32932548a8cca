import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AIQuota, aiquotaSchema } from "../../src/api/aiquota.ts";
import { type SharedState, StateUnavailable } from "../../src/operator/ports.ts";
import type { Beat } from "../../src/redis/heartbeat.ts";

/** What one subject of a quota did. */
export interface Spent {
  readonly subject: string;
  /** Units charged and settled, and units of calls that have not ended. */
  readonly charged: number;
  readonly held: number;
}

/** A state under test, with the sidecars' side of it. */
export interface OpenSharedState {
  readonly state: SharedState;
  /** What a sidecar writes of itself. */
  beat(namespace: string, beat: Beat): Promise<void>;
  /** What a sidecar that drains does. */
  endBeat(namespace: string, pod: string): Promise<void>;
  /** What sidecars charge on the quota's only limit. */
  spend(quota: AIQuota, spent: readonly Spent[]): Promise<void>;
  /** Whether a sidecar of the namespace can log in. */
  hasUser(namespace: string): Promise<boolean>;
  /** Makes the state unreachable, for good. */
  takeAway(): Promise<void>;
  close(): Promise<void>;
}

const beatOf = (pod: string, change: Partial<Beat> = {}): Beat => ({
  pod,
  instance: "1a2b3c4d",
  contract: 1,
  digest: `sha256:${"0".repeat(64)}`,
  release: "0.1.0",
  ...change,
});

/** A quota with one limit, as the API server hands it out. */
export const quotaWith = (name: string, per: readonly string[], limit: object): AIQuota =>
  aiquotaSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name, namespace: "team" },
    spec: { targetRefs: [{ group: "", kind: "Namespace", name: "team" }], per, limits: [{ name: "limit", ...limit }] },
  });

/** The laws of SharedState. */
export const sharedStateContract = (name: string, open: () => Promise<OpenSharedState>): void => {
  describe(`shared state: ${name}`, () => {
    let opened: OpenSharedState;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    test("a heartbeat is read as it was written, the newest one of a pod", async () => {
      await opened.beat("team", beatOf("a", { fault: "route: must be an object" }));
      expect((await opened.state.heartbeats("team", ["a"])).get("a")).toEqual({
        pod: "a",
        contract: 1,
        digest: beatOf("a").digest,
        release: "0.1.0",
        fault: "route: must be an object",
      });
      await opened.beat("team", beatOf("a", { digest: "sha256:new" }));
      const newest = (await opened.state.heartbeats("team", ["a"])).get("a");
      expect(newest?.digest).toBe("sha256:new");
      expect(newest?.fault).toBeUndefined();
    });

    test("a pod that is silent, has ended or is of another namespace has no entry", async () => {
      await opened.beat("team", beatOf("gone"));
      await opened.endBeat("team", "gone");
      await opened.beat("other", beatOf("theirs"));
      expect([...(await opened.state.heartbeats("team", ["gone", "never", "theirs"]))]).toEqual([]);
      expect([...(await opened.state.heartbeats("team", []))]).toEqual([]);
    });

    test("more pods than one batch are all found", async () => {
      const pods = Array.from({ length: 1_201 }, (_, i) => `pod-${i}`);
      await Promise.all(pods.map((pod) => opened.beat("many", beatOf(pod))));
      const found = await opened.state.heartbeats("many", [...pods, "silent"]);
      expect(found.size).toBe(pods.length);
      expect(found.get("pod-1200")?.pod).toBe("pod-1200");
    });

    const window = { type: "Fixed", duration: "744h" };
    test("usage shows what is charged, what is held and what is left, also where nothing was used", async () => {
      const quota = quotaWith("shared", [], { resource: "Requests", limit: 100, window });
      const [nothing] = await opened.state.usage("team", quota);
      if (nothing) expect(nothing).toMatchObject({ used: "0", reserved: "0", remaining: "100" });
      await opened.spend(quota, [{ subject: "all", charged: 30, held: 12 }]);
      const [row, ...others] = await opened.state.usage("team", quota);
      expect(others).toEqual([]);
      expect(row).toMatchObject({ limit: "limit", subject: "", used: "30", reserved: "12", remaining: "58" });
      expect(Date.parse(row?.resetsAt ?? "")).toBeGreaterThan(Date.parse(row?.observedAt ?? ""));
    });

    test("usage of money is in dollars", async () => {
      const quota = quotaWith("money", [], { resource: "Cost", limit: "2.00", currency: "USD", window });
      await opened.spend(quota, [{ subject: "all", charged: 1_250_000_000, held: 250_000_001 }]);
      const [row] = await opened.state.usage("team", quota);
      expect(row).toMatchObject({ used: "1.25", reserved: "0.250000001", remaining: "0.499999999" });
    });

    test("usage shows the twenty subjects that used most", async () => {
      const quota = quotaWith("subjects", ["Pod"], { resource: "TotalTokens", limit: 1_000, window });
      const spent = Array.from({ length: 30 }, (_, i) => ({ subject: `pod=p${i}`, charged: 10 + i, held: i % 2 }));
      await opened.spend(quota, spent);
      const rows = await opened.state.usage("team", quota);
      expect(rows).toHaveLength(20);
      expect(rows[0]).toMatchObject({ subject: "pod=p29", used: "39", reserved: "1", remaining: "960" });
      expect(rows.map(({ used, reserved }) => Number(used) + Number(reserved))).toEqual(
        rows.map(({ used, reserved }) => Number(used) + Number(reserved)).toSorted((a, b) => b - a),
      );
    });

    test("a namespace has its user from ensureUser to removeUser, however often either is called", async () => {
      expect(await opened.hasUser("team")).toBe(false);
      for (let i = 0; i < 2; i++) await opened.state.ensureUser("team");
      expect(await opened.hasUser("team")).toBe(true);
      expect(await opened.hasUser("team-b")).toBe(false);
      for (let i = 0; i < 2; i++) await opened.state.removeUser("team");
      expect(await opened.hasUser("team")).toBe(false);
      await opened.state.ensureUser("team");
      expect(await opened.hasUser("team")).toBe(true);
    });

    test("a state that is well has no fault", async () => {
      expect(await opened.state.fault()).toBeUndefined();
    });

    test("a state that is away says so within its time-out, in every method", async () => {
      await opened.takeAway();
      const startMs = performance.now();
      const quota = quotaWith("shared", [], { resource: "Requests", limit: 100, window });
      await expect(opened.state.heartbeats("team", ["a"])).rejects.toThrow(StateUnavailable);
      await expect(opened.state.usage("team", quota)).rejects.toThrow(StateUnavailable);
      await expect(opened.state.ensureUser("elsewhere")).rejects.toThrow(StateUnavailable);
      await expect(opened.state.removeUser("team")).rejects.toThrow(StateUnavailable);
      expect(await opened.state.fault()).toMatch(/\S/);
      expect(performance.now() - startMs).toBeLessThan(5 * 600);
    });
  });
};
