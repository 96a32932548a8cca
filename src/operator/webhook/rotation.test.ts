import { expect, test } from "vitest";
import { Secret } from "../../base/secret.ts";
import {
  hasNames,
  isSignedBy,
  type KeyPair,
  makeAuthority,
  makeServing,
  readCertificate,
  validity,
} from "./certificate.ts";
import { type CertificateState, type Mint, planRotation, rotationTimings, wantedBundle } from "./rotation.ts";

const startMs = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const dnsNames = ["hook.ns.svc", "hook.ns.svc.cluster.local"];
const { propagationMs, retireMs } = rotationTimings;
const empty: CertificateState = { previous: [], isRotationAsked: false };

/** A leader, replicas that load late and API servers that learn late: all as late as the timings allow. */
class World {
  state = empty;
  nowMs = startMs;
  readonly changes: string[] = [];
  made = { authorities: 0, servings: 0 };
  bundles: (readonly string[])[] = [[], []];
  /** Bundles and serving certificates by the time from which they stand. */
  readonly #bundlesSince: { atMs: number; pems: readonly string[] }[] = [];
  readonly #servingSince: { atMs: number; pair: KeyPair }[] = [];

  readonly #mint: Mint = {
    authority: (input) => {
      this.made.authorities += 1;
      return makeAuthority(input);
    },
    serving: (authority, input) => {
      this.made.servings += 1;
      return makeServing(authority, input);
    },
  };

  /** One reconcile: plan, write the bundles, plan again. */
  step(): void {
    for (let round = 0; round < 2; round += 1) {
      const plan = planRotation(this.state, {
        nowMs: this.nowMs,
        bundles: this.bundles,
        dnsNames,
        timings: rotationTimings,
        mint: this.#mint,
      });
      this.changes.push(...plan.changes);
      const { serving } = plan.state;
      if (serving && serving.certPem !== this.#servingSince.at(-1)?.pair.certPem)
        this.#servingSince.push({ atMs: this.nowMs, pair: serving });
      this.state = plan.state;
      const pems = wantedBundle(this.state);
      if (pems.join() !== this.#bundlesSince.at(-1)?.pems.join()) this.#bundlesSince.push({ atMs: this.nowMs, pems });
      this.bundles = this.bundles.map(() => pems);
    }
  }

  /** Steps until `ms` later, and looks each time. */
  run(ms: number, stepMs: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs += stepMs;
      this.step();
      this.expectTrusted();
    }
  }

  /** Whatever a replica may still serve is trusted by whatever an API server may still hold. */
  expectTrusted(): void {
    const held = this.#within(this.#bundlesSince, propagationMs - 1);
    // Replicas load every few seconds; the bundle keeps what they may serve for far longer.
    const served = this.#within(this.#servingSince, retireMs - propagationMs - 1);
    for (const { pems } of held) {
      for (const { pair } of served) {
        const certificate = readCertificate(pair.certPem);
        const isTrusted = pems.some((pem) => isSignedBy(pair.certPem, pem) && isValid(pem, this.nowMs));
        expect(isTrusted, `at ${new Date(this.nowMs).toISOString()}: ${this.changes.slice(-3).join("; ")}`).toBe(true);
        expect(isValid(pair.certPem, this.nowMs)).toBe(true);
        expect(certificate && hasNames(certificate, dnsNames)).toBe(true);
      }
    }
  }

  /** The entry in force, and those that were in force less than `lagMs` ago. */
  #within<Entry extends { atMs: number }>(entries: readonly Entry[], lagMs: number): readonly Entry[] {
    return entries.filter((_, index) => {
      const next = entries[index + 1];
      return next === undefined || this.nowMs - next.atMs <= lagMs;
    });
  }
}

const isValid = (pem: string, nowMs: number): boolean => {
  const certificate = readCertificate(pem);
  return certificate !== undefined && validity(certificate).fromMs <= nowMs && nowMs < validity(certificate).toMs;
};

const installed = (): World => {
  const world = new World();
  world.step();
  world.run(10 * 60_000, 15_000);
  return world;
};

test("an installation has certificates at once, and waits for nobody", () => {
  const world = new World();
  world.step();
  expect(world.changes).toEqual([
    "made a new certificate authority: there was none",
    "made a new serving certificate: there was none",
  ]);
  expect(wantedBundle(world.state)).toEqual([world.state.authority?.certPem]);
  world.expectTrusted();
});

test("over seven years every serving certificate that may be in use is trusted by every bundle that may be in use", () => {
  const world = installed();
  for (let day = 0; day < 7 * 365; day += 3) {
    world.run(3 * dayMs, 3 * dayMs);
    if (world.state.previous.length > 0) world.run(10 * 60_000, 10_000);
  }
  // Authorities live 730 days and are replaced after two thirds of them; serving certificates 90 days, likewise.
  expect(world.made.authorities).toBe(6);
  expect(world.made.servings).toBeGreaterThan(42);
  expect(world.made.servings).toBeLessThan(55);
  expect(world.state.previous).toEqual([]);
});

test("a rotation goes bundle, serving certificate, bundle, and each waits for the one before", () => {
  const world = installed();
  const before = world.state;
  world.state = { ...world.state, isRotationAsked: true };
  world.nowMs += 1;
  world.step();
  expect(world.state.serving).toEqual(before.serving);
  expect(wantedBundle(world.state)).toEqual([world.state.authority?.certPem, before.authority?.certPem]);
  world.run(propagationMs - 1, propagationMs - 1);
  expect(world.state.serving).toEqual(before.serving);
  world.run(1, 1);
  expect(world.state.serving).not.toEqual(before.serving);
  expect(world.bundles[0]).toHaveLength(2);
  world.run(retireMs - 1, retireMs - 1);
  expect(world.bundles[0]).toHaveLength(2);
  world.run(1, 1);
  expect(world.bundles[0]).toEqual([world.state.authority?.certPem]);
  expect(world.changes.slice(2)).toEqual([
    "made a new certificate authority: a rotation was asked for",
    "made a new serving certificate: its authority was replaced",
    "removed the old certificate authority from the bundles",
  ]);
});

const foreign = makeAuthority({ nowMs: startMs, lifeMs: 3_650 * dayMs });

test.each<{ name: string; harm: (state: CertificateState, world: World) => CertificateState; says: string }>([
  { name: "the Secret was deleted", harm: () => empty, says: "authority: there was none" },
  {
    name: "the authority's key was lost",
    harm: (state) => ({ ...state, authority: undefined }),
    says: "authority: there was none",
  },
  {
    name: "the authority was swapped by hand",
    harm: (state) => ({ ...state, authority: foreign, announcedAtMs: undefined, switchedAtMs: undefined }),
    says: "serving certificate: its authority was replaced",
  },
  {
    name: "the authority's certificate was swapped without its key",
    harm: (state) => ({
      ...state,
      authority: { certPem: foreign.certPem, keyPem: state.authority?.keyPem ?? new Secret("") },
    }),
    says: "authority: its key does not belong to it",
  },
  {
    name: "a second rotation was asked for within the first",
    harm: (state, world) => {
      world.state = { ...state, isRotationAsked: true };
      world.step();
      return { ...world.state, isRotationAsked: true };
    },
    says: "authority: a rotation was asked for",
  },
])("$name: mended, and no caller ever meets what it does not trust", ({ harm, says }) => {
  const world = installed();
  world.state = harm(world.state, world);
  world.nowMs += 1;
  world.step();
  world.expectTrusted();
  world.run(20 * 60_000, 5_000);
  expect(world.changes.join("\n")).toContain(says);
  expect(world.state.serving && isSignedBy(world.state.serving.certPem, world.bundles[0]?.[0] ?? "")).toBe(true);
  expect(world.bundles[0]).toHaveLength(1);
});

const servingOf = (state: CertificateState, input: { names?: readonly string[]; nowMs?: number; lifeMs?: number }) =>
  state.authority &&
  makeServing(state.authority, {
    dnsNames: input.names ?? dnsNames,
    nowMs: input.nowMs ?? startMs,
    lifeMs: input.lifeMs ?? 90 * dayMs,
  });

test.each<{ name: string; serving: (state: CertificateState) => KeyPair | undefined; says: string }>([
  {
    name: "has the wrong name",
    serving: (state) => servingOf(state, { names: ["else.ns.svc"] }),
    says: "it lacked the name that the API server calls",
  },
  {
    name: "has expired",
    serving: (state) => servingOf(state, { nowMs: startMs - 9 * dayMs, lifeMs: dayMs }),
    says: "it had expired",
  },
  {
    name: "has another's key",
    serving: (state) => state.serving && { ...state.serving, keyPem: foreign.keyPem },
    says: "its key does not belong to it",
  },
  {
    name: "was signed by nobody we know",
    serving: () => foreign,
    says: "it lacked the name that the API server calls",
  },
  {
    name: "is no certificate",
    serving: () => ({ certPem: "x", keyPem: new Secret("x") }),
    says: "it could not be read",
  },
])("a serving certificate that $name is replaced in the next step", ({ serving, says }) => {
  const world = installed();
  world.state = { ...world.state, serving: serving(world.state) };
  world.step();
  expect(world.changes.at(-1)).toBe(`made a new serving certificate: ${says}`);
  expect(world.state.serving && isSignedBy(world.state.serving.certPem, world.state.authority?.certPem ?? "")).toBe(
    true,
  );
});

test("an emptied caBundle is filled, and nothing is made anew", () => {
  const world = installed();
  const before = world.state;
  world.bundles = [[], []];
  world.step();
  expect(world.bundles[0]).toEqual([before.authority?.certPem]);
  expect(world.state).toEqual(before);
});

test("a clock that was set back a year holds a rotation up for no longer than its waits", () => {
  const world = installed();
  world.state = { ...world.state, isRotationAsked: true };
  world.step();
  world.state = { ...world.state, announcedAtMs: world.nowMs + 365 * dayMs };
  world.run(propagationMs + retireMs + 30_000, 10_000);
  expect(world.state.previous).toEqual([]);
});

test("without any webhook configuration nobody is waited for, and the old authority is kept until there is one", () => {
  const world = installed();
  world.bundles = [];
  world.state = { ...world.state, isRotationAsked: true };
  world.nowMs += 1;
  world.step();
  expect(world.state.serving && isSignedBy(world.state.serving.certPem, world.state.authority?.certPem ?? "")).toBe(
    true,
  );
  world.run(10 * retireMs, retireMs);
  expect(world.state.previous).toHaveLength(1);
});
