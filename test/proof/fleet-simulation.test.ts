import { expect, test } from "vitest";
import { share, tellFigure } from "../fixtures/proof.ts";
import { type FleetSetup, simulateFleet } from "./fleet-simulation.ts";

const fleet: Omit<FleetSetup, "precision"> = {
  ...{ sidecars: share(1_000), perSecond: 10, load: "uniform", limit: 1_000_000_000, seconds: 10, warmUpSeconds: 3 },
};

test("a hot quota costs a seventh of the calls or less, and nobody is refused", { timeout: 600_000 }, async () => {
  const exact = await simulateFleet({ ...fleet, precision: "Exact" });
  const leased = await simulateFleet({ ...fleet, precision: "Leased" });
  tellFigure("fleet, calls a second", { exact: exact.callsPerSecond, leased: leased.callsPerSecond });
  expect([exact.refused, leased.refused]).toEqual([0, 0]);
  expect(leased.callsPerSecond).toBeLessThan(exact.callsPerSecond / 7);
  expect(leased.utilisation).toBeLessThan(exact.utilisation / 7);
});

test.each(["uniform", "zipf"] as const)(
  "at its limit a fleet of %s load is never above it, and refuses with room seldom and little",
  { timeout: 600_000 },
  async (load) => {
    // half of what is asked for
    const limit = (fleet.sidecars * fleet.perSecond * 60) / 2;
    const figures = await simulateFleet({ ...fleet, load, limit, seconds: 35, precision: "Leased" });
    tellFigure(`fleet at its limit, ${load}`, {
      refused: figures.refused,
      "with room": figures.refusedWithRoom,
      "room at most": figures.roomMax.toFixed(4),
      peak: figures.peakCounted,
    });
    expect(figures.peakCounted).toBeLessThanOrEqual(1);
    expect(figures.peakAdmitted).toBeLessThanOrEqual(1);
    expect(figures.peakAdmitted).toBeGreaterThan(0.99);
    expect(figures.roomMax).toBeLessThan(0.1);
    // only until the slices are back that others held when the rest was spent, and the last units of them are found
    expect(figures.refusedWithRoom).toBeLessThan(fleet.sidecars * fleet.perSecond * 5);
  },
);
