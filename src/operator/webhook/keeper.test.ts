import { describe, expect, test } from "vitest";
import { FakeCluster, refusal } from "../../../test/fixtures/fake-cluster.ts";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { isSignedBy, type KeyPair, makeAuthority, makeServing, splitBundle } from "./certificate.ts";
import { rotateAnnotation, stateFromSecret } from "./certificate-secret.ts";
import { type CertificateEvent, createCertificateKeeper } from "./keeper.ts";
import { createCertificateLoader } from "./loader.ts";
import { rotationTimings } from "./rotation.ts";

const namespace = "sidegate-system";
const webhook = {
  service: "hook",
  mutating: "sidegate",
  validating: "sidegate",
  secret: "sidegate-webhook",
  certificates: "Own",
} as const;
const secretRef = { namespace, name: webhook.secret };
const configurations = [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations] as const;
const startMs = Date.UTC(2026, 0, 1);

/** A cluster as the chart leaves it, and a leader's keeper in it. */
const setUp = (options: { without?: readonly number[]; certificates?: "Own" | "CertManager" } = {}) => {
  const cluster = new FakeCluster();
  const clock = new FakeClock(startMs);
  const events: CertificateEvent[] = [];
  const install = (): void =>
    configurations.forEach((resource, index) => {
      if (options.without?.includes(index)) return;
      const names = index === 0 ? ["inject.sidegate.dev"] : ["validate.sidegate.dev", "more.sidegate.dev"];
      const webhooks = names.map((name) => ({ name, clientConfig: { service: { name: "hook", namespace } } }));
      cluster.put(resource, { kind: resource.kind, metadata: { name: "sidegate" }, webhooks });
    });
  install();
  const keeperFor = (api: KubeApi, loaded?: () => KeyPair | undefined) =>
    createCertificateKeeper({
      api,
      clock,
      log: silentLog(),
      namespace,
      webhook: { ...webhook, certificates: options.certificates ?? "Own" },
      onEvent: (event) => events.push(event),
      ...(loaded && { loaded }),
    });
  const secret = (): KubeObject | undefined => cluster.find(resources.secrets, secretRef);
  const bundles = (): string[] =>
    configurations.flatMap((resource) => {
      const webhooks = cluster.find(resource, { name: "sidegate" })?.["webhooks"];
      return (webhooks as { clientConfig: { caBundle?: string } }[]).map(({ clientConfig }) =>
        Buffer.from(clientConfig.caBundle ?? "", "base64").toString(),
      );
    });
  return { cluster, clock, events, install, keeperFor, keeper: keeperFor(cluster.api()), secret, bundles };
};

const state = (secret: KubeObject | undefined) => stateFromSecret(secret);

describe("the keeper", () => {
  test("makes the Secret and fills every caBundle in one go, then writes nothing more", async () => {
    const { keeper, cluster, secret, bundles, events } = setUp();
    await keeper.reconcile();
    const { authority, serving } = state(secret());
    expect(bundles()).toEqual([authority?.certPem, authority?.certPem, authority?.certPem]);
    expect(serving && isSignedBy(serving.certPem, authority?.certPem ?? "")).toBe(true);
    expect(events.filter(({ reason }) => reason === "CertificateRotated")).toHaveLength(2);
    const { resourceVersion } = cluster;
    expect(await keeper.reconcile()).toBe(30_000);
    expect(cluster.resourceVersion).toBe(resourceVersion);
  });

  test("no event and no annotation holds a key", async () => {
    const { keeper, secret, events } = setUp();
    await keeper.reconcile();
    expect(JSON.stringify([events, secret()?.metadata])).not.toContain("PRIVATE");
  });

  test("rotates when the annotation asks for it, removes the annotation, and comes back in time for each step", async () => {
    const { keeper, cluster, clock, secret, bundles } = setUp();
    await keeper.reconcile();
    const before = state(secret());
    const asked = secret();
    if (asked)
      cluster.put(resources.secrets, {
        ...asked,
        metadata: { ...asked.metadata, annotations: { [rotateAnnotation]: "now", a: "b" } },
      });
    const phases: string[] = [];
    for (let passedMs = 0; passedMs < 240_000; ) {
      const nextMs = await keeper.reconcile();
      const isNew = state(secret()).serving?.certPem !== before.serving?.certPem;
      phases.push(`${splitBundle(bundles()[0] ?? "").length} ${isNew ? "new" : "old"}`);
      clock.advance(nextMs);
      passedMs += nextMs;
    }
    expect([...new Set(phases)]).toEqual(["2 old", "2 new", "1 new"]);
    expect(secret()?.metadata.annotations).toMatchObject({ a: "b" });
    expect(Object.keys(secret()?.metadata.annotations ?? {})).not.toContain(rotateAnnotation);
  });

  test.each<{ name: string; harm: (cluster: FakeCluster, install: () => void) => void }>([
    { name: "caBundles that a forced upgrade emptied", harm: (_, install) => install() },
    {
      name: "a caBundle that holds something else",
      harm: (cluster) =>
        cluster.put(resources.mutatingWebhookConfigurations, {
          metadata: { name: "sidegate" },
          webhooks: [{ name: "inject.sidegate.dev", clientConfig: { caBundle: "eHh4" } }],
        }),
    },
  ])("repairs $name without new certificates", async ({ harm }) => {
    const { keeper, cluster, install, secret, bundles } = setUp();
    await keeper.reconcile();
    const before = secret();
    harm(cluster, install);
    await keeper.reconcile();
    expect(new Set(bundles())).toEqual(new Set([state(before).authority?.certPem]));
    expect(secret()).toEqual(before);
  });

  test("a deleted Secret comes back with the certificate in use, and rotates from there", async () => {
    const { cluster, clock, keeperFor, secret, bundles } = setUp();
    const loader = createCertificateLoader({
      api: cluster.api(),
      clock,
      log: silentLog(),
      ref: secretRef,
      onCertificate: () => undefined,
    });
    const keeper = keeperFor(cluster.api(), () => loader.loaded);
    await keeper.reconcile();
    await loader.load();
    const used = loader.loaded?.certPem;
    cluster.remove(resources.secrets, secretRef);
    await keeper.reconcile();
    expect(state(secret()).serving?.certPem).toBe(used);
    expect(splitBundle(bundles()[0] ?? "")).toHaveLength(2);
    clock.advance(rotationTimings.propagationMs);
    await keeper.reconcile();
    expect(state(secret()).serving?.certPem).not.toBe(used);
  });

  test("of two leaders one writes, the other gets a conflict and agrees in its next step", async () => {
    const { cluster, keeper, keeperFor, secret } = setUp();
    const slow = keeperFor(
      cluster.api(async (verb, resource) => {
        if (verb === "create" && resource === resources.secrets) await keeper.reconcile();
      }),
    );
    await expect(slow.reconcile()).rejects.toMatchObject({ status: 409 });
    const { resourceVersion } = cluster;
    const before = secret();
    await slow.reconcile();
    expect(secret()).toEqual(before);
    expect(cluster.resourceVersion).toBe(resourceVersion);
  });

  test("a missing configuration is told once, and does not keep the other from its bundle", async () => {
    const { keeper, events, cluster } = setUp({ without: [1] });
    await keeper.reconcile();
    await keeper.reconcile();
    expect(events.filter(({ type }) => type === "Warning")).toEqual([
      expect.objectContaining({ reason: "WebhookConfigurationMissing" }),
    ]);
    expect(JSON.stringify(cluster.find(configurations[0], { name: "sidegate" }))).toContain("caBundle");
  });

  test("with cert-manager nothing is written, and what is missing or about to end is told once", async () => {
    const { keeper, cluster, events, clock } = setUp({ certificates: "CertManager" });
    const { resourceVersion } = cluster;
    await keeper.reconcile();
    await keeper.reconcile();
    expect(cluster.resourceVersion).toBe(resourceVersion);
    const authority = makeAuthority({ nowMs: startMs, lifeMs: 90 * 86_400_000 });
    const serving = makeServing(authority, { nowMs: startMs, lifeMs: 90 * 86_400_000, dnsNames: ["a"] });
    const data = { "tls.crt": btoa(serving.certPem), "tls.key": btoa(serving.keyPem.reveal()) };
    cluster.put(resources.secrets, { metadata: secretRef, data });
    await keeper.reconcile();
    clock.advance(85 * 86_400_000);
    await keeper.reconcile();
    expect(events.map(({ reason }) => reason)).toEqual(["CertificateMissing", "CertificateExpiring"]);
  });
});

describe("the loader", () => {
  const authority = makeAuthority({ nowMs: startMs, lifeMs: 90 * 86_400_000 });
  const make = (lifeMs = 86_400_000) => makeServing(authority, { nowMs: startMs, lifeMs, dnsNames: ["a"] });
  const dataOf = (certPem: string, keyPem: string) => ({ "tls.crt": btoa(certPem), "tls.key": btoa(keyPem) });
  const good = make();
  const ended = make(-1);

  test.each([
    { name: "there is no Secret", data: undefined, says: "does not exist yet" },
    { name: "it is empty", data: {}, says: "has no tls.crt and tls.key" },
    { name: "the key is another's", data: dataOf(make().certPem, good.keyPem.reveal()), says: "does not belong" },
    { name: "it is no certificate", data: dataOf("x", "y"), says: "is no certificate" },
    { name: "it has expired", data: dataOf(ended.certPem, ended.keyPem.reveal()), says: "has expired" },
  ])("keeps what it has when $name", async ({ data, says }) => {
    const cluster = new FakeCluster();
    const loaded: KeyPair[] = [];
    const loader = createCertificateLoader({
      api: cluster.api(),
      clock: new FakeClock(startMs),
      log: silentLog(),
      ref: secretRef,
      onCertificate: (pair) => loaded.push(pair),
    });
    cluster.put(resources.secrets, { metadata: secretRef, data: dataOf(good.certPem, good.keyPem.reveal()) });
    await loader.load();
    await loader.load();
    expect(loaded).toHaveLength(1);
    expect(loader.expiresAtMs).toBe(startMs + 86_400_000);
    cluster.remove(resources.secrets, secretRef);
    if (data) cluster.put(resources.secrets, { metadata: secretRef, data });
    await loader.load();
    expect(loader.fault).toContain(says);
    expect(loader.loaded?.certPem).toBe(good.certPem);
    expect(loaded).toHaveLength(1);
  });

  test("an API server that is away keeps nobody from serving", async () => {
    const api = new FakeCluster().api(() => {
      throw refusal(0, "");
    });
    const loader = createCertificateLoader({
      api,
      clock: new FakeClock(),
      log: silentLog(),
      ref: secretRef,
      onCertificate: () => undefined,
    });
    await loader.start();
    loader.stop();
    expect(loader.fault).toContain("cannot be read");
  });
});
