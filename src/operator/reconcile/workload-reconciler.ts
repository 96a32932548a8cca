/** One workload: compile its config, publish it, nudge its pods; take it away when nobody uses it any more. */
import type { AIRoute } from "../../api/airoute.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { configSecretName, type Workload, workloadKey } from "../../inject/workload.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { QuotaName } from "../../redis/acl.ts";
import type { Caches } from "../cluster/caches.ts";
import type { InjectedPod } from "../cluster/projections.ts";
import { type NamespaceKeys, type SharedState, StateUnavailable } from "../ports.ts";
import { configSecretBytesMax, type Desired, desiredOf } from "./desired.ts";
import { done, next, type Outcome, waiting } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
import { sidecarStateOf } from "./programmed.ts";
import type { Publisher } from "./publisher.ts";
import { Reminders, reminderMsMin } from "./reminders.ts";
import { resetDueMs, soonestMs } from "./reset-due.ts";
import { Strangers } from "./strangers.ts";
import { unreadableQuotas } from "./unreadable-quotas.ts";

/** How long an unused config Secret stays, ms: a Deployment that is scaled to zero and back, or re-created, finds it there. */
export const unusedSecretMs = 600_000;
/** Largest difference between the clocks of two replicas that is reckoned with, ms. */
const clockSkewMsMax = 3_600_000;
/** Patches of pods that are under way at once. */
const nudgesAtOnce = 20;

/** How soon a workload is looked at again while the cluster's token keys are not known, ms; their first reading enqueues it, too. */
const unknownIssuerMs = 5_000;

/** What it works with. */
export interface WorkloadDeps {
  readonly caches: Caches;
  readonly outcomes: Outcomes;
  readonly publisher: Publisher;
  readonly state: SharedState;
  /** Throws while the keyring has not been read. */
  readonly keysOf: (namespace: string) => NamespaceKeys;
  /** Audiences that injected pods get tokens for. */
  readonly tokenAudiences: readonly string[];
  /** Hosts that their tokens may go to. */
  readonly tokenHosts: readonly string[];
  /** How pods prove who they are; undefined: not known yet, and nothing is published without it. */
  readonly podIdentity: () => PodIdentityConfig | undefined;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** Statuses that this workload's outcome changes. */
  readonly touched: (workload: Workload, routes: readonly string[], quotas: readonly QuotaName[]) => void;
}

/** What one run works on. */
interface Run {
  readonly workload: Workload;
  readonly podIdentity: PodIdentityConfig;
  readonly routes: readonly AIRoute[];
  readonly pods: readonly InjectedPod[];
  /** What `publish` compiled, for the steps behind it. */
  desired?: Desired;
}

/** The steps in their order: each hands on, or says that the run is over. */
const steps = [
  "removeUnused", // nobody uses it: refuse at once, remove later
  "publish", // the Secret is what the resources say
  "nudge", // pods from before the change see it at once
  "remind", // pods that have not taken it all the same are touched again
] as const;

/** Reconciles workloads. */
export class WorkloadReconciler {
  readonly #deps: WorkloadDeps;
  /** When this process saw first that nobody uses a workload's Secret, ms by its own clock. */
  readonly #unusedSinceMs = new Map<string, number>();
  readonly #reminders: Reminders;
  readonly #strangers: Strangers;

  constructor(deps: WorkloadDeps) {
    this.#deps = deps;
    this.#strangers = new Strangers(deps.events);
    this.#reminders = new Reminders(deps.clock);
  }

  /** Level-triggered: looks at what is, whatever the change was. */
  async reconcile(workload: Workload): Promise<Outcome> {
    const { caches } = this.#deps;
    const podIdentity = this.#deps.podIdentity();
    // A config without it would make sidecars refuse everything: what they have is better.
    if (!podIdentity) return waiting("the cluster's token keys have not been read yet", unknownIssuerMs);
    const run: Run = {
      workload,
      podIdentity,
      routes: caches
        .routesNaming(workload.namespace, workload.serviceAccount)
        .filter(({ metadata }) => workload.routePick === undefined || metadata.name === workload.routePick),
      pods: caches.podsOf(workload).filter(({ isActive }) => isActive),
    };
    for (const step of steps) {
      const outcome = await this[step](run);
      if (outcome.kind !== "next") return outcome;
    }
    return done();
  }

  /** Nobody uses it: the refusing config at once, and the Secret goes ten minutes later. */
  async removeUnused(run: Run): Promise<Outcome> {
    const { caches, clock, publisher } = this.#deps;
    const { workload, routes, pods } = run;
    if (pods.length > 0 || (routes.length > 0 && this.#isWanted(workload))) {
      this.#unusedSinceMs.delete(workloadKey(workload));
      return next;
    }
    const published = caches.publishedAt(workload.namespace, configSecretName(workload));
    this.#forget(workload);
    if (!published) return done();
    const key = workloadKey(workload);
    if (published.unusedSinceMs === undefined) {
      this.#unusedSinceMs.set(key, clock.nowMs());
      const desired = this.#compile(run);
      if (desired.data) await publisher.publish(workload, desired, { isUnused: true });
      return done(unusedSecretMs);
    }
    // By our own clock; another leader's note counts only when no difference of clocks can explain it.
    const sinceMs = this.#unusedSinceMs.get(key) ?? clock.nowMs();
    this.#unusedSinceMs.set(key, sinceMs);
    const nowMs = clock.nowMs();
    const leftMs =
      Math.min(sinceMs + unusedSecretMs, published.unusedSinceMs + unusedSecretMs + clockSkewMsMax) - nowMs;
    if (leftMs > 0) return done(leftMs);
    await publisher.remove(published);
    this.#unusedSinceMs.delete(key);
    return done();
  }

  /** A pick has a config of its own as soon as there is something to pick: pods that did, or several routes. */
  #isWanted({ namespace, serviceAccount, routePick }: Workload): boolean {
    return routePick === undefined || this.#deps.caches.routesNaming(namespace, serviceAccount).length > 1;
  }

  /** Writes the Secret where it is not what it should be; the statuses follow. */
  async publish(run: Run): Promise<Outcome> {
    const { caches, publisher, log } = this.#deps;
    const { workload, pods } = run;
    const desired = this.#compile(run);
    this.#strangers.look({ workload, pods, isStranger: desired.result.config.isNotParent === true });
    const published = caches.publishedAt(workload.namespace, configSecretName(workload));
    if (!desired.data) {
      this.#note(workload, desired, false);
      log.error(
        { workload: workloadKey(workload), bytes: desired.bytes },
        "config too large to publish, the last one stays",
      );
      return done();
    }
    const owner = await publisher.lookUpOwner();
    const isCurrent =
      published?.dataDigest === desired.dataDigest &&
      published.configDigest === desired.configDigest &&
      published.unusedSinceMs === undefined &&
      published.ownerUid === owner?.uid;
    if (!isCurrent) {
      // Statuses hear of it when it stands there, or when it could not be written: not in between, which would cost a write more.
      const written = await publisher.publish(workload, desired, { isUnused: false }).catch((fault: unknown) => {
        this.#note(workload, desired, false);
        throw fault;
      });
      this.#note(workload, desired, written.kind === "written");
      if (written.kind === "refused") return waiting(written.reason, written.afterMs);
    } else this.#note(workload, desired, true);
    run.desired = desired;
    return next;
  }

  /** Sets the digest on pods that were there before the last change: the kubelet then refreshes their volume at once. */
  async nudge({ workload, pods, desired }: Run): Promise<Outcome> {
    const { caches, publisher } = this.#deps;
    const published = caches.publishedAt(workload.namespace, configSecretName(workload));
    if (!desired || !published) return next;
    const publishedMs = (published.publishedMs ?? Number.POSITIVE_INFINITY) + 1000;
    const stale = pods.filter((pod) => {
      const digest = caches.own.podDigest(pod);
      // A pod that is younger than the last change has mounted it as it is; times of Kubernetes have whole seconds.
      return digest === undefined ? pod.createdMs <= publishedMs : digest !== desired.configDigest;
    });
    for (let from = 0; from < stale.length; from += nudgesAtOnce) {
      await Promise.all(
        stale.slice(from, from + nudgesAtOnce).map((pod) => publisher.nudge(pod, desired.configDigest)),
      );
    }
    return next;
  }

  /** A nudge may have come before the kubelet had the Secret: who is still behind is touched again, ever more seldom. */
  async remind({ workload, pods, desired }: Run): Promise<Outcome> {
    const { publisher, state } = this.#deps;
    const live = pods.filter(({ isLive }) => isLive);
    if (!desired || live.length === 0) return done();
    const names = live.map(({ name }) => name);
    const heartbeats = await state.heartbeats(workload.namespace, names).catch((fault: unknown) => {
      if (fault instanceof StateUnavailable) return undefined;
      throw fault;
    });
    if (!heartbeats) return done(); // who is behind will be seen when Redis is back: everything is looked at then
    let isAnyBehind = false;
    for (const pod of live) {
      const isBehind = sidecarStateOf(pod, heartbeats.get(pod.name), desired.digests).kind === "Older";
      isAnyBehind ||= isBehind;
      if (!isBehind) this.#reminders.forget(pod.uid);
      const count = isBehind ? this.#reminders.due(pod, desired.configDigest) : undefined;
      if (count !== undefined) await publisher.remind(pod, count);
    }
    return done(soonestMs(isAnyBehind ? reminderMsMin : undefined, this.#resetDueMs(workload)));
  }

  #resetDueMs({ namespace }: Workload): number | undefined {
    const { caches, clock } = this.#deps;
    const over = caches.clusterScope(namespace).clusterQuotas ?? [];
    return resetDueMs([...caches.quotas(namespace), ...over], clock.nowMs());
  }

  #compile({ workload, pods, podIdentity }: Run): Desired {
    const { caches, keysOf, tokenAudiences, tokenHosts, clock } = this.#deps;
    const { namespace } = workload;
    return desiredOf(workload, {
      routes: caches.routes(namespace), // all: who is named by none is told so, unless there is none
      quotas: caches.quotas(namespace),
      secrets: caches.secrets(namespace),
      unreadableQuotas: unreadableQuotas(workload, caches),
      cluster: caches.clusterScope(namespace),
      keys: keysOf(namespace),
      tokenAudiences,
      tokenHosts,
      podIdentity,
      nowMs: clock.nowMs(),
      contracts: pods.map(({ contract }) => contract),
    });
  }

  #note(workload: Workload, desired: Desired, isPublished: boolean): void {
    const { outcomes, touched } = this.#deps;
    const { routes, quotas, config } = desired.result;
    outcomes.set({
      workload,
      routes,
      quotas,
      isServing: config.route !== undefined,
      ...(config.route && { policyVersion: config.route.policyVersion }),
      configDigest: desired.configDigest,
      digests: desired.digests,
      isPublished,
      ...(desired.data === undefined && {
        tooLarge: `the config of service account ${workload.serviceAccount} has ${desired.bytes} bytes, a Secret takes ${configSecretBytesMax}: use fewer or shorter rules, models and quotas`,
      }),
    });
    touched(
      workload,
      routes.map(({ name }) => name),
      quotas,
    );
  }

  #forget(workload: Workload): void {
    const { outcomes, touched } = this.#deps;
    this.#strangers.forget(workload);
    const old = outcomes
      .in(workload.namespace)
      .find((outcome) => workloadKey(outcome.workload) === workloadKey(workload));
    if (!old) return;
    outcomes.delete(workload);
    touched(
      workload,
      old.routes.map(({ name }) => name),
      old.quotas,
    );
  }
}
