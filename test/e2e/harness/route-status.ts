/** What an AIRoute's status says, as far as tests ask. */
import { get, type KubeObject } from "./kubectl.ts";

/** A condition of the only parent. */
export interface RouteCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

/** Status of a route with one parent. */
export interface RouteStatus {
  readonly generation: number;
  readonly configDigest: string;
  readonly sidecars: { readonly desired: number; readonly programmed: number; readonly outdated: number };
  /** By type. */
  readonly conditions: Readonly<Record<string, RouteCondition>>;
}

interface Stored extends KubeObject {
  readonly status?: {
    readonly configDigest?: string;
    readonly sidecars?: RouteStatus["sidecars"];
    readonly parents?: readonly { readonly conditions: readonly RouteCondition[] }[];
  };
}

/** Throws when there is no such route. */
export const routeStatus = async (namespace: string, name = "support"): Promise<RouteStatus> => {
  const route = await get<Stored>("airoute", name, namespace);
  if (!route) throw new Error(`no AIRoute ${name} in ${namespace}`);
  const { configDigest = "", sidecars, parents } = route.status ?? {};
  return {
    generation: route.metadata.generation ?? 0,
    configDigest,
    sidecars: sidecars ?? { desired: 0, programmed: 0, outdated: 0 },
    conditions: Object.fromEntries((parents?.[0]?.conditions ?? []).map((condition) => [condition.type, condition])),
  };
};

/** True when the newest generation runs in so many sidecars, and the status says so. */
export const isAcknowledged = (status: RouteStatus, sidecars: number): boolean => {
  const programmed = status.conditions["Programmed"];
  return (
    programmed?.status === "True" &&
    programmed.observedGeneration === status.generation &&
    status.sidecars.programmed === sidecars &&
    status.sidecars.desired === sidecars
  );
};
