/** Status of an AIRoute: what compile said of it, and what its sidecars say they run. Writes nothing else. */
import type { AIRoute } from "../../api/airoute.ts";
import type { Condition } from "../../api/conditions.ts";
import type { InjectionSettings } from "../../inject/settings.ts";
import type { Caches } from "../cluster/caches.ts";
import { type Entry, type InjectedPod, isOutdated } from "../cluster/projections.ts";
import { type Heartbeat, type SharedState, StateUnavailable } from "../ports.ts";
import type { Figures } from "./figures.ts";
import { done, type Outcome } from "./outcome.ts";
import type { Outcomes, WorkloadOutcome } from "./outcomes.ts";
import { programmedOf, type SidecarCounts, type SidecarState, sidecarStateOf } from "./programmed.ts";
import { credentialsCondition } from "./refused-credentials.ts";
import { controllerName, type StatusWriter } from "./status-writer.ts";
import { listIn, memberOf } from "./stored-status.ts";
import { withTransitions } from "./transitions.ts";

/** How soon sidecars that are behind are looked at again, ms: an acknowledged change shows within a second. */
const behindMs = 400;
/** How soon after some time, ms: what has not come by then waits for a person. */
const behindLongMs = 5_000;
/** How long a change may take before the pace slows, ms. */
const impatientMs = 60_000;
/** How often sidecars that are up to date are looked at, ms; a silent one shows after 30 s. */
const currentMs = 15_000;

/** What it works with. */
export interface RouteDeps {
  readonly caches: Caches;
  readonly outcomes: Outcomes;
  readonly state: SharedState;
  /** Why Redis cannot be used; undefined: it can. */
  readonly storeFault: () => string | undefined;
  readonly writer: StatusWriter;
  readonly figures: Figures;
  readonly settings: InjectionSettings;
  readonly nowMs: () => number;
}

interface Programming {
  readonly condition: Pick<Condition, "status" | "reason" | "message">;
  readonly states: readonly SidecarState[];
}

/** Reconciles the statuses of routes. */
export class RouteReconciler {
  readonly #deps: RouteDeps;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
  }

  async reconcile(namespace: string, name: string): Promise<Outcome> {
    const { caches, writer, nowMs } = this.#deps;
    const entry = caches.routeEntry(namespace, name);
    if (!entry) {
      this.#deps.figures.route(namespace, name, undefined);
      return done();
    }
    const route = entry.resource;
    if (!route) return this.#writeInvalid(entry);
    const outcomes = this.#deps.outcomes.ofRoute(namespace, name);
    // Its workloads are compiled first, and then ask for this: what an older generation came to says nothing of this one.
    if (!isJudged(route, outcomes)) return done();
    const inForce = outcomes.filter(({ routes }) => routes[0]?.name === name);
    const pods = inForce.flatMap(({ workload }) => caches.podsOf(workload)).filter(({ isLive }) => isLive);
    const heartbeats = await this.#heartbeats(namespace, pods);
    const before = parentsOf(writer.statusOf(entry));
    const parents = route.spec.parentRefs.map((parentRef) => {
      const mine = outcomes.filter(({ workload }) => workload.serviceAccount === parentRef.name);
      const { condition, states } = this.#programming(name, mine, heartbeats);
      const generation = entry.metadata.generation;
      const programmed = {
        type: "Programmed",
        ...condition,
        ...(generation !== undefined && { observedGeneration: generation }),
      } as const;
      const old = before.find((parent) => parent.name === parentRef.name)?.conditions ?? [];
      const refused = this.#credentials(route, mine, heartbeats, old);
      const conditions = [...this.#judged(route, parentRef.name, mine), programmed, ...refused];
      return { parentRef, conditions, states, old, stored: withTransitions(conditions, old, nowMs()) };
    });
    const states = parents.flatMap((parent) => parent.states);
    const [first] = inForce;
    const sidecars = this.#counts(states, pods);
    this.#deps.figures.route(namespace, name, sidecars);
    const status = {
      parents: parents.map(({ parentRef, stored }) => ({ parentRef, controllerName, conditions: stored })),
      sidecars,
      ...(first && { configDigest: first.configDigest }),
      ...(first?.policyVersion !== undefined && { policyVersion: first.policyVersion }),
    };
    const laterMs = await writer.write({
      kind: "AIRoute",
      entry,
      status,
      conditions: parents.map(({ conditions, old }) => ({ now: conditions, before: old })),
    });
    return done(
      soonest(
        laterMs,
        this.#againMs(
          parents.flatMap(({ stored }) => stored),
          pods.length,
        ),
      ),
    );
  }

  /** Accepted and ResolvedRefs, as compile found them, and what only the cluster knows. */
  #judged(route: AIRoute, serviceAccount: string, outcomes: readonly WorkloadOutcome[]): readonly Condition[] {
    const { namespace, name, generation } = route.metadata;
    // Without a pick first: that is the one most pods use.
    const [main] = [...outcomes].sort(
      (a, b) => (a.workload.routePick ?? "").length - (b.workload.routePick ?? "").length,
    );
    const conditions = main?.routes.find((outcome) => outcome.name === name)?.conditions ?? [];
    const tooLarge = outcomes.find((outcome) => outcome.tooLarge !== undefined)?.tooLarge;
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    return conditions.map((condition): Condition => {
      if (condition.status !== "True") return condition;
      if (condition.type === "Accepted" && tooLarge !== undefined)
        return { type: "Accepted", status: "False", reason: "ConfigTooLarge", message: tooLarge, ...observed };
      if (condition.type === "ResolvedRefs" && !this.#deps.caches.hasServiceAccount(namespace, serviceAccount)) {
        const message = `service account ${serviceAccount} does not exist in namespace ${namespace}`;
        return { type: "ResolvedRefs", status: "False", reason: "ServiceAccountNotFound", message, ...observed };
      }
      return condition;
    });
  }

  /** What providers say of its credentials; nothing where another route serves the service account. */
  #credentials(
    route: AIRoute,
    outcomes: readonly WorkloadOutcome[],
    heartbeats: ReadonlyMap<string, Heartbeat> | undefined,
    before: readonly unknown[],
  ): readonly Condition[] {
    const { name, generation } = route.metadata;
    const inForce = outcomes.filter(({ routes }) => routes[0]?.name === name);
    if (inForce.length === 0) return [];
    const pods = inForce.flatMap(({ workload }) => this.#deps.caches.podsOf(workload)).filter(({ isLive }) => isLive);
    const heard = heartbeats && pods.flatMap((pod) => heartbeats.get(pod.name) ?? []);
    const condition = credentialsCondition(route, heard, before);
    if (!condition) return [];
    return [{ ...condition, ...(generation !== undefined && { observedGeneration: generation }) }];
  }

  #programming(
    name: string,
    outcomes: readonly WorkloadOutcome[],
    heartbeats: ReadonlyMap<string, Heartbeat> | undefined,
  ): Programming {
    const inForce = outcomes.filter(({ routes }) => routes[0]?.name === name);
    if (inForce.length === 0) {
      const message = "another route serves this service account; the condition Accepted names it";
      return { condition: { status: "False", reason: "NotInForce", message }, states: [] };
    }
    const unpublished = inForce.find(({ isPublished }) => !isPublished);
    const states = inForce.flatMap(({ workload, digests }) =>
      this.#deps.caches
        .podsOf(workload)
        .filter(({ isLive }) => isLive)
        .map((pod) => sidecarStateOf(pod, heartbeats?.get(pod.name), digests)),
    );
    if (unpublished) {
      const message = unpublished.tooLarge ?? "the config is being published";
      return {
        condition: { status: "False", reason: unpublished.tooLarge ? "NotInForce" : "Reconciling", message },
        states,
      };
    }
    const fault = this.#deps.storeFault();
    if (fault !== undefined || !heartbeats)
      return {
        condition: { status: "Unknown", reason: "QuotaStoreUnavailable", message: fault ?? "Redis does not answer" },
        states,
      };
    return { condition: programmedOf(states), states };
  }

  /** undefined: Redis is away. */
  async #heartbeats(
    namespace: string,
    pods: readonly InjectedPod[],
  ): Promise<ReadonlyMap<string, Heartbeat> | undefined> {
    if (pods.length === 0) return new Map();
    try {
      return await this.#deps.state.heartbeats(
        namespace,
        pods.map(({ name }) => name),
      );
    } catch (fault) {
      if (fault instanceof StateUnavailable) return undefined;
      throw fault;
    }
  }

  #counts(states: readonly SidecarState[], pods: readonly InjectedPod[]): SidecarCounts {
    return {
      desired: states.length,
      programmed: states.filter(({ kind }) => kind === "Current").length,
      outdated: pods.filter((pod) => isOutdated(pod, this.#deps.settings)).length,
    };
  }

  #againMs(conditions: readonly (Condition & { lastTransitionTime: string })[], pods: number): number | undefined {
    const programmed = conditions.filter(({ type, reason }) => type === "Programmed" && reason !== "NotInForce");
    const behind = programmed.filter(({ status }) => status !== "True");
    const isRefused = conditions.some(({ reason }) => reason === "CredentialRefused");
    if (behind.length === 0) return pods === 0 ? undefined : isRefused ? behindLongMs : currentMs;
    const youngestMs = Math.max(...behind.map(({ lastTransitionTime }) => Date.parse(lastTransitionTime) || 0));
    return this.#deps.nowMs() - youngestMs < impatientMs ? behindMs : behindLongMs;
  }

  /** Stored under other rules than today's: it is not in force, and says why. */
  async #writeInvalid(entry: Entry<AIRoute>): Promise<Outcome> {
    const { writer, nowMs } = this.#deps;
    const observed = entry.metadata.generation === undefined ? {} : { observedGeneration: entry.metadata.generation };
    const before = parentsOf(writer.statusOf(entry));
    const parents = namesOf(entry.spec).map((name) => {
      const message = entry.faults.join("; ").slice(0, 4096);
      const now: readonly Condition[] = [
        { type: "Accepted", status: "False", reason: "Invalid", message, ...observed },
      ];
      const old = before.find((parent) => parent.name === name)?.conditions ?? [];
      return { parentRef: { group: "", kind: "ServiceAccount", name }, now, old };
    });
    await writer.write({
      kind: "AIRoute",
      entry,
      status: {
        parents: parents.map(({ parentRef, now, old }) => ({
          parentRef,
          controllerName,
          conditions: withTransitions(now, old, nowMs()),
        })),
      },
      conditions: parents.map(({ now, old }) => ({ now, before: old })),
    });
    return done();
  }
}

/** Whether each service account that the route names was compiled with this generation of it. */
const isJudged = ({ metadata, spec }: AIRoute, outcomes: readonly WorkloadOutcome[]): boolean =>
  spec.parentRefs.every((parent) =>
    outcomes.some(
      ({ workload, routes }) =>
        workload.serviceAccount === parent.name &&
        routes.some(
          ({ name, conditions }) =>
            name === metadata.name &&
            conditions.every(({ observedGeneration }) => observedGeneration === metadata.generation),
        ),
    ),
  );

const soonest = (...delays: readonly (number | undefined)[]): number | undefined => {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};

/** Parents of a status, as far as they can be read. */
const parentsOf = (status: unknown): readonly { readonly name: string; readonly conditions: readonly unknown[] }[] =>
  listIn(status, "parents").map((parent) => ({
    name: String(memberOf(memberOf(parent, "parentRef"), "name") ?? ""),
    conditions: listIn(parent, "conditions"),
  }));

/** Service accounts of a spec that does not parse. */
const namesOf = (spec: unknown): readonly string[] =>
  listIn(spec, "parentRefs").flatMap((ref) => {
    const name = memberOf(ref, "name");
    return typeof name === "string" ? [name] : [];
  });
