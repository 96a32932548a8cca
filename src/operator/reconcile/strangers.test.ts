import { expect, test } from "vitest";
import type { EventNote, Regarding } from "../../kube/events.ts";
import type { InjectedPod } from "../cluster/projections.ts";
import { Strangers } from "./strangers.ts";

const podOf = (number: number): InjectedPod => ({
  namespace: "team",
  name: `bot-${number}`,
  uid: `u${number}`,
  workload: { namespace: "team", serviceAccount: "bot" },
  isLive: true,
  isActive: true,
  createdMs: 0,
  contract: 2,
  injectionDigest: "d",
});
const workload = { namespace: "team", serviceAccount: "bot" };
const stageOf = () => {
  const told: { readonly pod: string; readonly note: EventNote }[] = [];
  const record = ({ name }: Regarding, note: EventNote): void => void told.push({ pod: name, note });
  return { told, strangers: new Strangers({ record }) };
};

test("a pod that no route names is told once why it is refused, and what to change", () => {
  const { told, strangers } = stageOf();
  strangers.look({ workload, pods: [podOf(1)], isStranger: true });
  strangers.look({ workload, pods: [podOf(1), podOf(2)], isStranger: true });
  expect(told.map(({ pod }) => pod)).toEqual(["bot-1", "bot-2"]);
  expect(told[0]?.note).toMatchObject({ type: "Warning", reason: "NotAParent" });
  expect(told[0]?.note.message).toContain("service account bot; add it to the parentRefs");
});

test("one that picked a route is told its name", () => {
  const { told, strangers } = stageOf();
  strangers.look({ workload: { ...workload, routePick: "support" }, pods: [podOf(1)], isStranger: true });
  expect(told[0]?.note.message).toContain("AIRoute support, which the pod picks, does not name service account bot");
});

test("one that has become a parent is told again when it is none any more", () => {
  const { told, strangers } = stageOf();
  for (const isStranger of [true, false, true]) strangers.look({ workload, pods: [podOf(1)], isStranger });
  expect(told).toHaveLength(2);
});

test("a workload without pods is forgotten, and told anew when it comes back", () => {
  const { told, strangers } = stageOf();
  strangers.look({ workload, pods: [podOf(1)], isStranger: true });
  strangers.forget(workload);
  strangers.look({ workload, pods: [podOf(1)], isStranger: true });
  expect(told).toHaveLength(2);
});

test("of a thousand pods ten are told", () => {
  const { told, strangers } = stageOf();
  strangers.look({ workload, pods: Array.from({ length: 1000 }, (_, i) => podOf(i)), isStranger: true });
  expect(told).toHaveLength(10);
});
