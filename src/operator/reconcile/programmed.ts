/** Whether the sidecars run what is published: from live pods and their heartbeats to one condition and three counts. */
import type { Condition } from "../../api/conditions.ts";
import type { InjectedPod } from "../cluster/projections.ts";
import type { Heartbeat } from "../ports.ts";

/** Sidecars of a route, counted. */
export interface SidecarCounts {
  readonly desired: number;
  readonly programmed: number;
  readonly outdated: number;
}

/** How one live pod stands. */
export type SidecarState =
  | { readonly kind: "Current" }
  | { readonly kind: "Older" }
  | { readonly kind: "Silent" }
  | { readonly kind: "Refused"; readonly fault: string };

/** What one pod's heartbeat says about the published digests; `digests` by contract version. */
export const sidecarStateOf = (
  pod: InjectedPod,
  heartbeat: Heartbeat | undefined,
  digests: ReadonlyMap<number, string>,
): SidecarState => {
  if (!heartbeat) return { kind: "Silent" };
  if (heartbeat.digest === digests.get(heartbeat.contract)) return { kind: "Current" };
  if (heartbeat.fault !== undefined) return { kind: "Refused", fault: `pod ${pod.name}: ${heartbeat.fault}` };
  return { kind: "Older" };
};

type Verdict = Pick<Condition, "status" | "reason" | "message">;

/** The verdict over all live sidecars; the worst that is known for certain comes first. */
export const programmedOf = (states: readonly SidecarState[]): Verdict => {
  const count = (kind: SidecarState["kind"]): number => states.filter((state) => state.kind === kind).length;
  const total = states.length;
  const refused = states.find((state) => state.kind === "Refused");
  if (refused)
    return {
      status: "False",
      reason: "ConfigRefused",
      message: `${count("Refused")} of ${total} sidecars keep the last good config: ${refused.fault.slice(0, 1024)}`,
    };
  const current = count("Current");
  if (count("Older") > 0)
    return {
      status: "False",
      reason: "PartiallyProgrammed",
      message: `${current} of ${total} sidecars run the current config`,
    };
  if (count("Silent") > 0)
    return {
      status: "Unknown",
      reason: "HeartbeatMissing",
      message: `${count("Silent")} of ${total} live sidecars have not reported within 30 s`,
    };
  const message =
    total === 0 ? "published; no pod runs with it yet" : `${total} of ${total} sidecars run the current config`;
  return { status: "True", reason: "Programmed", message };
};
