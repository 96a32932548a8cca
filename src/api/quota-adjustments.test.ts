import { describe, expect, test } from "vitest";
import { aiquotaBase } from "./aiquota.rows.ts";
import { type AIQuota, aiquotaSchema } from "./aiquota.ts";
import {
  effectiveQuota,
  nextResetMs,
  overrideNow,
  quotaAdjustments,
  resetAheadMsMax,
  resetsOfLimit,
  withOverride,
  withReset,
} from "./quota-adjustments.ts";

const quotaWith = (annotations: Record<string, unknown> = {}): AIQuota =>
  aiquotaSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: {
      name: "q",
      namespace: "team",
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [
          `sidegate.dev/${key}`,
          typeof value === "string" ? value : JSON.stringify(value),
        ]),
      ),
    },
    spec: aiquotaBase,
  });
const who = { by: "ana", reason: "launch" };
const at = "2026-01-20T10:00:00Z";
const later = "2026-01-21T10:00:00Z";
const ms = (text: string): number => Date.parse(text);

describe("what cannot be read is said, and the quota stands as written", () => {
  test.each([
    ["no JSON", "reset", "{", "is no JSON"],
    ["no list", "reset", {}, "must be a list"],
    ["too many", "reset", Array.from({ length: 33 }, () => ({ at, ...who })), "33 entries, at most 32"],
    ["without a name", "reset", [{ at, reason: "x" }], "entry 0: by"],
    ["without a reason", "override", [{ limit: "rpm", to: 1, until: at, by: "ana" }], "entry 0: reason"],
    ["a time that is none", "reset", [{ at: "yesterday", ...who }], "entry 0: at: must be a time"],
    ["a time that does not exist", "reset", [{ at: "2026-13-45T10:00:00Z", ...who }], "entry 0: at: must be a time"],
    ["a limit that is none", "reset", [{ at, limit: "tpm", ...who }], "there is no limit tpm"],
    ["an override of no limit", "override", [{ limit: "tpm", to: 1, until: at, ...who }], "there is no limit tpm"],
    ["decimals of requests", "override", [{ limit: "rpm", to: "1.5", until: at, ...who }], "whole number"],
    ["too much money", "override", [{ limit: "usd", to: 9_000_000, until: at, ...who }], "below 9000000"],
    ["an unknown member", "reset", [{ at, limits: "rpm", ...who }], "did you mean limit?"],
  ])("%s", (_, key, value, message) => {
    const { resets, overrides, faults } = quotaAdjustments(quotaWith({ [key]: value }));
    expect([resets, overrides]).toEqual([[], []]);
    expect(faults).toEqual([{ annotation: `sidegate.dev/${key}`, message: expect.stringContaining(message) }]);
  });

  test("what stands beside it counts", () => {
    const { resets, faults } = quotaAdjustments(quotaWith({ reset: [{ at }, { at, ...who }] }));
    expect([resets.length, faults.length]).toEqual([1, 1]);
  });

  test("empty text and an empty list are nothing", () => {
    expect(quotaAdjustments(quotaWith({ reset: "", override: [] }))).toEqual({ resets: [], overrides: [], faults: [] });
  });
});

describe("resets", () => {
  test("the newest that concerns a limit counts, for all and for single subjects", () => {
    const { resets } = quotaAdjustments(
      quotaWith({
        reset: [
          { at: later, limit: "rpm", ...who },
          { at, ...who },
          { at, limit: "rpm", subject: "user=alice", ...who },
          { at: later, subject: "user=alice", ...who },
        ],
      }),
    );
    expect(resetsOfLimit(resets, "rpm")).toEqual({ all: ms(later), subjects: { "user=alice": ms(later) } });
    expect(resetsOfLimit(resets, "usd")).toEqual({ all: ms(at), subjects: { "user=alice": ms(later) } });
    expect(resetsOfLimit([], "usd")).toBeUndefined();
  });

  test("one that lies ahead is not done until it is near, as it would name the counters until then; the others count", () => {
    const far = "2030-01-01T00:00:00Z";
    const quota = quotaWith({
      reset: [
        { at, ...who },
        { at: far, limit: "usd", ...who },
      ],
    });
    const { resets, faults } = quotaAdjustments(quota, ms(at));
    expect(resets).toEqual([{ at, ...who }]);
    expect(faults).toEqual([
      {
        annotation: "sidegate.dev/reset",
        message: `entry 1: at: ${far} lies more than 5 minutes ahead; write the time of now, as \`sidegate quota reset\` does`,
      },
    ]);
    expect(quotaAdjustments(quota, ms(far) - resetAheadMsMax).faults).toEqual([]);
    expect(quotaAdjustments(quota).faults).toEqual([]);
    expect(nextResetMs(quota, ms(at))).toBe(ms(far) - resetAheadMsMax);
    expect(nextResetMs(quota, ms(far) - resetAheadMsMax)).toBeUndefined();
    expect(JSON.parse(withReset(quota, { at: later, ...who, limit: "rpm" }))).toHaveLength(2);
  });

  test("a new one takes the place of those that it covers, and of no others", () => {
    const quota = quotaWith({
      reset: [
        { at, limit: "rpm", subject: "user=bob", ...who },
        { at, limit: "usd", ...who },
        { at, limit: "rpm", ...who },
      ],
    });
    const kept = (reset: object): unknown =>
      JSON.parse(withReset(quota, { at: later, ...who, ...reset })).map((one: object) =>
        "subject" in one ? one.subject : "limit" in one ? one.limit : "everything",
      );
    expect(kept({ limit: "rpm" })).toEqual(["usd", "rpm"]);
    expect(kept({ limit: "rpm", subject: "user=bob" })).toEqual(["usd", "rpm", "user=bob"]);
    expect(kept({})).toEqual(["everything"]);
  });

  test("beyond 32 there is no room", () => {
    const reset = Array.from({ length: 32 }, (_, index) => ({ at, limit: "rpm", subject: `user=${index}`, ...who }));
    expect(() => withReset(quotaWith({ reset }), { at: later, limit: "rpm", subject: "user=x", ...who })).toThrow(
      RangeError,
    );
  });
});

describe("overrides", () => {
  const override = (to: number | string, until: string, limit = "rpm") => ({ limit, to, until, ...who });

  test("the last for a limit counts, until its time", () => {
    const adjustments = quotaAdjustments(quotaWith({ override: [override(5, later), override(7, at)] }));
    expect(overrideNow(adjustments, "rpm", ms(at) - 1)?.to).toBe(7);
    expect(overrideNow(adjustments, "rpm", ms(at))).toBeUndefined();
    expect(overrideNow(adjustments, "usd", 0)).toBeUndefined();
  });

  test("the quota that counts has the other limit, and nothing else changed", () => {
    const quota = quotaWith({ override: [override("800.00", at, "usd")] });
    const limits = (nowMs: number) => effectiveQuota(quota, quotaAdjustments(quota), nowMs).spec.limits;
    expect(limits(ms(at) - 1).map(({ limit }) => limit)).toEqual([600, "800.00", 20]);
    expect(limits(ms(at))).toEqual(quota.spec.limits);
  });

  test.each([
    { to: 0, isKept: false },
    { to: "0.00", isKept: false },
    { to: "0.01", isKept: true },
  ])("whether what exceeds $to goes to another model: $isKept", ({ to, isKept }) => {
    const written = quotaWith({ override: [override(to, later, "usd")] });
    const onExceeded = { action: "Downgrade" as const, model: "gpt-4o-mini" };
    const limits = written.spec.limits.map((limit) => ({ ...limit, limit: 0, onExceeded }));
    const quota = { ...written, spec: { ...written.spec, limits } };
    const counted = effectiveQuota(quota, quotaAdjustments(quota), ms(at)).spec.limits;
    expect(counted.map((limit) => limit.onExceeded)).toEqual([onExceeded, isKept ? onExceeded : undefined, onExceeded]);
  });

  test("a new one takes the place of its limit's, and what is over goes", () => {
    const quota = quotaWith({ override: [override(5, later), override("9.00", at, "usd")] });
    const text = withOverride(quota, override(9, later), ms(at) + 1);
    expect(JSON.parse(text)).toEqual([override(9, later)]);
  });
});
