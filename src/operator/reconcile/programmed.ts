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
  /** `held`: with an identity that cannot be verified now. */
  | { readonly kind: "Current"; readonly held?: string }
  | { readonly kind: "Unproven"; readonly fault: string }
  | { readonly kind: "Older" }
  /** It runs the current config, but does not listen as that says. */
  | { readonly kind: "Deaf"; readonly fault: string }
  | { readonly kind: "Silent" }
  | { readonly kind: "Refused"; readonly fault: string };

/** What one pod's heartbeat says about the published digests; `digests` by contract version. */
export const sidecarStateOf = (
  pod: InjectedPod,
  heartbeat: Heartbeat | undefined,
  digests: ReadonlyMap<number, string>,
): SidecarState => {
  if (!heartbeat) return { kind: "Silent" };
  // Whatever its config: it refuses everything.
  if (heartbeat.identityFault !== undefined)
    return { kind: "Unproven", fault: `pod ${pod.name}: ${heartbeat.identityFault}` };
  const isCurrent = heartbeat.digest === digests.get(heartbeat.contract);
  if (isCurrent && heartbeat.listenerFault !== undefined)
    return { kind: "Deaf", fault: `pod ${pod.name}: ${heartbeat.listenerFault}` };
  if (isCurrent)
    return {
      kind: "Current",
      ...(heartbeat.identityHeld !== undefined && { held: `pod ${pod.name}: ${heartbeat.identityHeld}` }),
    };
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
  const unproven = states.find((state) => state.kind === "Unproven");
  if (unproven)
    return {
      status: "False",
      reason: "IdentityRefused",
      message: `${count("Unproven")} of ${total} sidecars refuse every request, because their pod's identity is not proven: ${unproven.fault.slice(0, 1024)}`,
    };
  const deaf = states.find((state) => state.kind === "Deaf");
  if (deaf)
    return {
      status: "False",
      reason: "ListenerFailed",
      message: `${count("Deaf")} of ${total} sidecars do not listen as spec.listener says: ${deaf.fault.slice(0, 1024)}`,
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
  const held = states.flatMap((state) => (state.kind === "Current" && state.held !== undefined ? [state.held] : []));
  if (held.length === 0) return { status: "True", reason: "Programmed", message };
  return {
    status: "True",
    reason: "Programmed",
    message: `${message}; ${held.length} of them keep an identity that they cannot verify now: ${held[0]?.slice(0, 1024)}`,
  };
};
