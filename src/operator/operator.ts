/** The composition root of the control plane: everything is made and wired here, started once and drained once. */
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../base/clock.ts";
import { type DrainStep, drain } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import { EventRecorder } from "../kube/events.ts";
import { LeaderElection } from "../kube/leader.ts";
import type { KubeApi, OwnerReference } from "../kube/port.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { OperatorAdmin, type ReadyCheck } from "./admin.ts";
import { type Admission, startAdmission } from "./admission.ts";
import { Caches } from "./cluster/caches.ts";
import { isOutdated } from "./cluster/projections.ts";
import { Triggers } from "./cluster/triggers.ts";
import { staleWatches } from "./cluster/watch-ages.ts";
import { IssuerKeys } from "./identity/issuer-keys.ts";
import type { SidecarRedis } from "./keyring/keyring.ts";
import { NamespaceSecrets } from "./keyring/namespace-secrets.ts";
import { countedApi, fencedApi } from "./leading/guarded-api.ts";
import { LeaderDuties } from "./leading/leader-duties.ts";
import { ownedApi } from "./leading/owned-api.ts";
import { OperatorMetrics } from "./metrics.ts";
import type { SharedState } from "./ports.ts";
import { Figures } from "./reconcile/figures.ts";
import { openReconcilers } from "./reconcilers.ts";
import type { OperatorSettings } from "./settings.ts";
import { StoreHealth } from "./store-health.ts";

/** Reconciles at once: most of their time they wait for the API server. */
const workersMax = 8;
/** How often everything is looked at again although nothing changed, ms. */
const resyncMs = 600_000;
/** How often the keyring is looked at, ms. */
const keyringMs = 60_000;

/** What an operator is started with. */
export interface OperatorOptions {
  readonly settings: OperatorSettings;
  readonly api: KubeApi;
  /** Opens Redis. `passwordsOf` throws StateUnavailable while this replica has not read the keyring. */
  readonly openState: (passwordsOf: (namespace: string) => readonly string[]) => SharedState;
  readonly sidecarRedis: SidecarRedis;
  /** What the lease, the keyring and the certificates go with; undefined: nothing. */
  readonly owner?: OwnerReference | undefined;
  readonly log: Log;
  readonly clock?: Clock;
}

/** An operator that can be started and stopped, once each. */
export class Operator {
  readonly metrics: OperatorMetrics;
  readonly caches: Caches;
  readonly leader: LeaderElection;
  readonly #options: OperatorOptions;
  readonly #api: KubeApi;
  readonly #fenced: KubeApi;
  readonly #secrets: NamespaceSecrets;
  readonly #figures = new Figures();
  readonly #issuer: IssuerKeys;
  readonly #state: SharedState;
  readonly #queue: WorkQueue;
  readonly #triggers: Triggers;
  readonly #health: StoreHealth;
  readonly #events: EventRecorder;
  readonly #duties: LeaderDuties;
  readonly #admin: OperatorAdmin;
  readonly #clock: Clock;
  #admission: Admission | undefined;
  #isDraining = false;

  /** Wires; asks nobody anything yet. */
  constructor(options: OperatorOptions) {
    const { settings, log } = options;
    const clock = options.clock ?? systemClock;
    this.#options = options;
    this.#clock = clock;
    this.metrics = new OperatorMetrics({
      isLeading: () => this.leader.isLeading(),
      queueDepth: () => this.#queue.depth,
      watchAges: () => this.#watchAges(),
      certificateSeconds: () => this.#certificateSeconds(),
      isStoreUp: () => this.#health.fault === undefined,
      pods: () => this.#podCounts(),
      limits: () => this.#figures.limits(),
      thresholds: () => this.#figures.thresholds(),
      routes: () => this.caches.routeEntries().length,
      issuerSeconds: () => this.#issuer.ageSeconds,
    });
    const counted = countedApi(options.api, (...request) => this.metrics.requested(...request));
    this.#api = ownedApi(counted, settings.namespace, () => options.owner);
    this.leader = this.#election();
    this.#fenced = fencedApi(this.#api, () => this.leader.isLeading());
    this.#secrets = new NamespaceSecrets({
      ...{ api: this.#fenced, namespace: settings.namespace, sidecarRedis: options.sidecarRedis, clock, log },
      ...settings.keyring,
    });
    this.#issuer = new IssuerKeys({
      ...{ api: counted, clock, log, tokenMs: settings.injection.tokenSeconds * 1000 },
      changed: () => this.#triggers.all(),
    });
    this.#state = options.openState((namespace) => this.#secrets.passwordsOf(namespace));
    this.#queue = new WorkQueue({ clock, log });
    const enqueue = (key: string): void => {
      if (this.leader.isLeading()) this.#queue.add(key); // whoever begins to lead enqueues everything
    };
    this.#triggers = new Triggers(() => this.caches, enqueue);
    this.caches = new Caches({
      api: counted,
      namespaces: settings.watchNamespaces,
      operatorNamespace: settings.namespace,
      clock,
      log,
      listener: this.#triggers,
    });
    this.#health = new StoreHealth({ state: this.#state, log, changed: () => this.#triggers.all() });
    this.#state.onConnected(() => {
      this.#triggers.namespaces(); // their users first: sidecars cannot log in before
      void this.#health.look();
    });
    this.#events = new EventRecorder({ api: this.#fenced, clock, log, reportingInstance: settings.pod });
    this.#duties = new LeaderDuties(this.#dutyList(), log);
    this.#admin = new OperatorAdmin(settings.adminPort, { checks: this.#checks(), metrics: () => this.metrics.page() });
  }

  /** Resolves when it answers probes and admission and stands for election. */
  async start(): Promise<{ readonly adminPort: number; readonly webhookPort: number }> {
    const { settings, log } = this.#options;
    const adminPort = await this.#admin.listen();
    await Promise.all([this.caches.start(), this.#health.start(), this.#issuer.start()]);
    this.#admission = await startAdmission({
      api: this.#api,
      fenced: this.#fenced,
      settings,
      view: this.caches,
      events: this.#events,
      admitted: (...admission) => this.metrics.admitted(...admission),
      clock: this.#clock,
      log,
    });
    void this.#queue.run(workersMax, this.#reconcile());
    this.leader.start();
    log.info({ adminPort, webhookPort: this.#admission.port }, "operator started");
    return { adminPort, webhookPort: this.#admission.port };
  }

  /** The numbered end: nobody is refused an admission, and another replica leads within two seconds. Answers the steps that failed. */
  stop(): Promise<readonly string[]> {
    this.#isDraining = true;
    const closing = this.#admission?.stop() ?? Promise.resolve();
    const steps: readonly DrainStep[] = [
      { name: "stop reconciling", timeoutMs: 3_000, run: () => this.#queue.stop() },
      { name: "hand over the lease", timeoutMs: 3_000, run: () => this.leader.stop() },
      { name: "end admissions under way", timeoutMs: 20_000, run: () => closing },
      { name: "end watches", timeoutMs: 3_000, run: () => this.caches.stop() },
      { name: "close redis", timeoutMs: 2_000, run: () => this.#state.close() },
      { name: "close the admin port", timeoutMs: 2_000, run: () => this.#admin.close() },
    ];
    this.#health.stop();
    this.#issuer.stop();
    return drain(steps, this.#options.log);
  }

  #election(): LeaderElection {
    const { settings, log } = this.#options;
    return new LeaderElection({
      api: this.#api,
      namespace: settings.namespace,
      name: settings.leaderElection.lease,
      identity: `${settings.pod}_${randomBytes(4).toString("hex")}`,
      clock: this.#clock,
      log,
      leaseSeconds: settings.leaderElection.leaseSeconds,
      renewSeconds: settings.leaderElection.renewSeconds,
      retrySeconds: settings.leaderElection.retrySeconds,
      onStarted: async () => {
        log.info("leading");
        await this.#duties.start();
      },
      onStopped: () => {
        log.info("leading no more");
        this.#duties.stop();
      },
    });
  }

  #dutyList() {
    return [
      {
        name: "keyring",
        run: async () => {
          if (await this.#secrets.reconcile()) this.#triggers.all();
          return keyringMs;
        },
      },
      { name: "certificates", run: () => this.#admission?.keepCertificates() ?? Promise.resolve(1_000) },
      {
        name: "resync",
        run: async () => {
          this.#triggers.all();
          return resyncMs;
        },
      },
    ];
  }

  #reconcile(): (key: string) => Promise<void> {
    return openReconcilers({
      ...{ settings: this.#options.settings, log: this.#options.log, clock: this.#clock, fenced: this.#fenced },
      ...{ caches: this.caches, state: this.#state, figures: this.#figures, events: this.#events, queue: this.#queue },
      ...{ leader: this.leader, metrics: this.metrics, secrets: this.#secrets },
      ...{ health: this.#health, issuer: this.#issuer },
    });
  }

  #checks(): readonly ReadyCheck[] {
    return [
      { name: "draining", fault: () => (this.#isDraining ? "this replica is on its way out" : undefined) },
      { name: "informers", fault: () => (this.caches.isSynced ? undefined : "the first lists are not whole yet") },
      { name: "webhook-certificate", fault: () => (this.#admission ? this.#admission.unready() : "not started") },
      { name: "watches", isAdvisory: true, fault: () => staleWatches(this.#watchAges()) },
      { name: "token-keys", isAdvisory: true, fault: () => this.#issuer.fault },
      { name: "redis", isAdvisory: true, fault: () => this.#health.fault },
      {
        name: "leader",
        isAdvisory: true,
        fault: () => (this.leader.leader === undefined ? "nobody leads" : undefined),
      },
    ];
  }

  #watchAges(): ReadonlyMap<string, number> {
    return new Map(
      Object.entries(this.caches.informers()).map(([name, { stalenessMs }]) => [name, stalenessMs / 1000]),
    );
  }

  #certificateSeconds(): number | undefined {
    const expiresAtMs = this.#admission?.certificateExpiresAtMs();
    return expiresAtMs === undefined ? undefined : (expiresAtMs - this.#clock.nowMs()) / 1000;
  }

  #podCounts(): { live: number; programmed: number; outdated: number } {
    const live = this.caches.pods().filter(({ isLive }) => isLive);
    const { injection } = this.#options.settings;
    const { programmed } = this.#figures;
    return { live: live.length, programmed, outdated: live.filter((pod) => isOutdated(pod, injection)).length };
  }
}
