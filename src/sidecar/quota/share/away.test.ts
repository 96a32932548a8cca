import { expect, test } from "vitest";
import { claimOn, namespace } from "../../../../test/fixtures/share-sidecar.ts";
import type { ReserveResult } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { whileAway } from "./away.ts";

const limit = { counter: "q/l/all", window: { type: "Fixed", durationMs: 60_000 }, max: 1 } as const;
const full: ReserveResult = { admitted: false, outputGranted: 0, claims: [] };

test.each([
  ["Audit refuses nobody", false, ["allowed"], undefined],
  ["Enforce refuses", true, ["local_refused"], false],
] as const)("where too many calls run for the ledger a quota in mode %s", (_, enforced, decisions, admitted) => {
  const planned = [claimOn(limit, 1, enforced)];
  const counted: string[] = [];
  const call = { isUnenforced: false, isLocalShare: false };
  const decision = whileAway(
    {
      shares: { admit: () => ({ planned, result: full, hold: undefined }) } as never, // the rest is not asked
      metrics: { quotaUnenforced: (word) => void counted.push(word) },
      random: () => 0,
    },
    { identity: { namespace, serviceAccount: "bot" }, call } as never, // nothing else is read
    planned,
    { cause: new StoreUnavailable("away", { maybeDone: false }), leaseMs: 60_000, output: { wanted: 0, min: 0 } },
  );
  expect(decision?.result.admitted).toBe(admitted);
  expect(counted).toEqual(decisions);
});
