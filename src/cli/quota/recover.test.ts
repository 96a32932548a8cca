import { expect, test } from "vitest";
import { FakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { resources } from "../../kube/port.ts";
import { RedisUnavailable } from "../../redis/link.ts";
import { readResources } from "../../resources/read.ts";
import { QuotaCommandFault } from "./fault.ts";
import { ChargeLedger } from "./recover/ledger.ts";
import type { Row } from "./recover/recovery.ts";
import { Targets } from "./recover/targets.ts";
import { asCommandFault, recoverOptions, tell, tellEvents } from "./recover.ts";
import { nothingPassedOver } from "./simulate/merged.ts";

const env = { SIDEGATE_REDIS_URL: "redis://sg-team:secret@127.0.0.1:6379" };
const from = ["--from", "audit.jsonl"];

test("options: all AIQuotas of a namespace, or one", () => {
  const options = recoverOptions([...from, "--from", "b.jsonl", "-n", "team", "--apply", "budget"], env);
  expect(options).toMatchObject({ from: ["audit.jsonl", "b.jsonl"], namespace: "team", apply: true, name: "budget" });
  expect(recoverOptions([...from, "-f", "q.yaml"], env)).toMatchObject({
    ...{ apply: false, name: undefined, force: false, countUnfinished: false },
  });
  expect(recoverOptions([...from, "--force", "--count-unfinished"], env)).toMatchObject({
    ...{ force: true, countUnfinished: true },
  });
});

test.each([
  { args: [], says: /^--from: name a file/ },
  { args: ["--from", "-", "--from", "-"], says: /^-: stdin can be read once/ },
  { args: ["--from", "-", "-f", "-"], says: /^-: stdin can be read once/ },
  { args: [...from, "one", "two"], says: /name one AIQuota, or none for all/ },
  { args: [...from, "Not_A_Name"], says: /the name of an AIQuota is lower-case/ },
  { args: [...from, "-f", "q.yaml", "--context", "c"], says: /exclude each other/ },
  { args: [...from, "--redis", "redis://u:p@h:1"], says: /others can read a command line/ },
  { args: [...from, "-o", "yaml"], says: /^-o yaml: must be json/ },
])("refused: $args", ({ args, says }) => {
  expect(() => recoverOptions(args, env)).toThrow(says);
});

test.each([
  { word: "NOPERM", says: /this login may not .* sg-NAMESPACE/ },
  { word: "WRONGPASS", says: /no such user, or this is not its password/ },
  { word: "NOAUTH", says: /the URL has none/ },
  { word: "OOM", says: /^Redis answered OOM$/ },
])("what Redis says is told with what to do: $word", ({ word, says }) => {
  const fault = asCommandFault(new RedisUnavailable(`Redis answered ${word}`, { word }));
  expect(fault).toBeInstanceOf(QuotaCommandFault);
  expect(String(fault instanceof Error && fault.message)).toMatch(says);
});

const added = () => {
  const text = `
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: budget, namespace: team}
spec:
  targetRefs: [{group: "", kind: Namespace, name: team}]
  limits: [{name: usd, resource: Cost, currency: USD, limit: "5.00", window: {type: Calendar, period: Month}}]
`;
  const { quotas } = readResources([{ path: "q.yaml", text }]);
  const nowMs = Date.parse("2026-05-10T12:00:00Z");
  const target = new Targets(quotas, nowMs).of("sg:{team}:calendar:team/budget/usd/all");
  if (typeof target === "string") throw new Error(target);
  const row: Row = { target, ledger: 2_500_000_000, redis: 500_000_000, missing: 2_000_000_000, additions: [] };
  const { told } = new ChargeLedger(new Targets(quotas, nowMs), nowMs);
  const recovered = (rows: readonly Row[]) => {
    return { rows, told, passedOver: nothingPassedOver(), quotas, isApplied: true, nowMs, unreadable: 0 };
  };
  return { row, recovered };
};

test("what was added is in the cluster before the output, whose reader may have gone", async () => {
  const { row, recovered } = added();
  const api = new FakeCluster().api();
  const broken = new Error("EPIPE");
  const told = tell(api, recovered([{ ...row, added: row.missing }]), () => {
    throw broken;
  });
  await expect(told).rejects.toBe(broken);
  expect((await api.list(resources.events, {})).items).toHaveLength(1);
});

test("what was added stands in an Event of the AIQuota, and nothing where nothing was", async () => {
  const { row, recovered } = added();
  const api = new FakeCluster().api();
  await tellEvents(api, recovered([row]));
  expect((await api.list(resources.events, {})).items).toEqual([]);
  await tellEvents(api, recovered([{ ...row, added: row.missing }]));
  const { items } = await api.list(resources.events, {});
  expect(items).toMatchObject([
    {
      ...{ reason: "QuotaRecovered", type: "Normal", reportingController: "sidegate.dev/cli" },
      regarding: { kind: "AIQuota", name: "budget", namespace: "team" },
      note: "what Redis had lost was added from audit records: limit usd (all): 2.00",
    },
  ]);
});
