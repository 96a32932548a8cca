// Calls may come to more than was held for them (P99, audio): then slices must not hide from the store what was charged of them.
import { setImmediate as settledPromises } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Asked, namespace, openSliceSidecar } from "../../../../test/fixtures/slice-sidecar.ts";
import { FakeClock } from "../../../base/clock.ts";
import type { WindowSpec } from "../../../base/window.ts";
import type { Claim } from "../../ports/quota-store.ts";
import { createMemoryQuotaStore } from "../../stores/memory/quota.ts";
import { sliceLookMs } from "./slice-store.ts";

const window: WindowSpec = { type: "Fixed", durationMs: 3_600_000 };
const max = 100_000;
const [heldUnits, chargedUnits] = [100, 1_000];
const steps = 4_000;

/** One sidecar that has so many calls under way, each for so long; one step is 1 ms. Answers what was charged in the end. */
const chargedBy = async (precision: Claim["precision"], parallel: number, lastsMs: number): Promise<number> => {
  const clock = new FakeClock(480_000 * 3_600_000);
  const store = createMemoryQuotaStore({ clock });
  const sidecar = openSliceSidecar(store, clock);
  const counter = "team/q/l/all";
  const claims: Claim[] = [
    { counter, window, max, amount: heldUnits, enforced: true, ...(precision && { precision }) },
  ];
  const running: { readonly endsAt: number; readonly asked: Asked }[] = [];
  for (let step = 0; step < steps; step++) {
    clock.advance(1);
    if (step % sliceLookMs === 0) await sidecar.look();
    while (running[0] && running[0].endsAt <= step) running.shift()?.asked.end([chargedUnits]);
    await settledPromises();
    while (running.length < parallel) {
      const asked = await sidecar.ask(claims);
      if (!asked.admitted) break;
      running.push({ endsAt: step + lastsMs, asked });
    }
  }
  for (const { asked } of running) asked.end([chargedUnits]);
  await sidecar.look();
  await settledPromises();
  return store.peek(namespace, counter, window);
};

test.each([
  { parallel: 1, lastsMs: 1 },
  { parallel: 8, lastsMs: 5 },
  { parallel: 8, lastsMs: 100 },
])("$parallel calls at once that last $lastsMs ms pass the limit no further than with Exact", async (load) => {
  const exact = await chargedBy(undefined, load.parallel, load.lastsMs);
  expect(exact).toBeGreaterThan(max * 0.9);
  expect(await chargedBy("Leased", load.parallel, load.lastsMs)).toBeLessThanOrEqual(
    Math.max(exact, max + load.parallel * (chargedUnits - heldUnits)),
  );
});
