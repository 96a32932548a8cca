/** Resources of the sidecar: the pod's annotation wins, then what another mutator has set, then the settings. */
import { marks } from "../api/annotations.ts";
import { isSidecar } from "./eligible.ts";
import { allContainers, type Pod } from "./pod.ts";
import type { RefusalReason } from "./refusal.ts";
import type { InjectionSettings } from "./settings.ts";

/** Least memory limit: an idle sidecar takes up to 85 MiB, and one that is killed at its start helps nobody. */
const memoryLimitMin = { text: "96Mi", bytes: 96 * 2 ** 20 };

type Amounts = Readonly<Record<string, string | number>>;

/** As a container has them. */
export interface SidecarResources {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/** Says why a value cannot be used; does not return. */
type Refuse = (key: string, sentence: string, reason?: RefusalReason) => never;

const quantityPattern = /^(\d{1,9}(?:\.\d{1,3})?)(m|k|M|G|Ki|Mi|Gi)?$/;
const factors: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** The pod's annotations, checked one by one and against each other. */
export const sidecarResources = (pod: Pod, settings: InjectionSettings, refuse: Refuse): SidecarResources => {
  const asked = (kind: "cpu" | "memory", key: string): Amounts => {
    const text = pod.metadata?.annotations?.[key];
    if (text === undefined) return {};
    const unit = quantityPattern.exec(text)?.[2] ?? "";
    const fits = kind === "cpu" ? ["", "m"].includes(unit) : unit !== "m";
    if (!fits || !((amount(text) ?? 0) > 0))
      return refuse(key, `must be an amount of ${kind}, such as ${kind === "cpu" ? "50m or 1" : "128Mi"}`);
    return { [kind]: text };
  };
  const limitAsked = asked("memory", marks.memoryLimit);
  if ((amount(limitAsked["memory"]) ?? memoryLimitMin.bytes) < memoryLimitMin.bytes)
    return refuse(
      marks.memoryLimit,
      `the sidecar does not run in less than ${memoryLimitMin.text}`,
      "ResourcesInvalid",
    );
  // LimitRanger and autoscalers set resources of all containers; they are no part of the sidecar's integrity.
  const present = allContainers(pod).find((placed) => isSidecar(pod, placed))?.container.resources;
  const requestsAsked = { ...asked("cpu", marks.cpuRequest), ...asked("memory", marks.memoryRequest) };
  const limitsAsked = { ...asked("cpu", marks.cpuLimit), ...limitAsked };
  const resources = {
    requests: { ...settings.resources.requests, ...overlay(present?.requests, requestsAsked) },
    limits: { ...settings.resources.limits, ...overlay(present?.limits, limitsAsked) },
  };
  refuseAbove(pod, resources, refuse);
  return resources;
};

/** What is asked for over what is there; an equal amount keeps its spelling, since the API server writes 0.5 as 500m. */
const overlay = (present: Amounts | null | undefined, asked: Amounts): Amounts => {
  const isSame = (name: string): boolean =>
    present?.[name] !== undefined && amount(present[name]) === amount(asked[name]);
  return { ...present, ...Object.fromEntries(Object.entries(asked).filter(([name]) => !isSame(name))) };
};

/** A request above its limit is refused where the pod asked for one of the two; the API server judges the rest. */
const refuseAbove = (pod: Pod, { requests, limits }: SidecarResources, refuse: Refuse): void => {
  for (const kind of ["cpu", "memory"] as const) {
    const [requestKey, limitKey] =
      kind === "cpu" ? [marks.cpuRequest, marks.cpuLimit] : [marks.memoryRequest, marks.memoryLimit];
    const asked = [requestKey, limitKey].find((key) => pod.metadata?.annotations?.[key] !== undefined);
    if (asked === undefined || (amount(requests[kind]) ?? 0) <= (amount(limits[kind]) ?? Infinity)) continue;
    refuse(
      asked,
      `the sidecar's ${kind} request ${requests[kind]} is above its limit ${limits[kind]}; set ${requestKey} and ${limitKey} so that it is not`,
      "ResourcesInvalid",
    );
  }
};

/** Cores or bytes; undefined when it is no quantity that we know. */
const amount = (quantity: string | number | undefined): number | undefined => {
  const [, digits, unit = ""] = quantityPattern.exec(String(quantity)) ?? [];
  return digits === undefined ? undefined : Number(digits) * (factors[unit] ?? 1);
};
