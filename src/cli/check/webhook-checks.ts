/** Is admission wired up, trusted, and does it answer? */
import { X509Certificate } from "node:crypto";
import { isKubeFault, KubeFault, type KubeObject, type Resource, resources } from "../../kube/port.ts";
import type { Cluster } from "./cluster.ts";
import { listAt, memberAt, textAt } from "./members.ts";
import { certificateInUse } from "./operator-checks.ts";
import { type Check, type Finding, failed, ok, skipped, warning } from "./report.ts";
import { triedByApiServer, triedDirectly } from "./webhook-trial.ts";

const group = "webhook";
const reinstall = "Upgrade the chart: helm upgrade writes them again.";
const certificateFix = "See docs/troubleshooting.md#webhook-certificate.";
const dayMs = 86_400_000;
/** A certificate with less than this left should have been renewed. */
const daysLeftMin = 7;

const policyBindings: Resource = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: "validatingadmissionpolicybindings",
  kind: "ValidatingAdmissionPolicyBinding",
  isNamespaced: false,
};

/** Both configurations; a missing one is undefined. */
const configurations = async (cluster: Cluster): Promise<readonly (readonly [string, KubeObject | undefined])[]> => {
  const { mutating, validating } = (await cluster.settingsOrDefaults()).webhook;
  const wanted = [
    [resources.mutatingWebhookConfigurations, mutating],
    [resources.validatingWebhookConfigurations, validating],
  ] as const;
  return Promise.all(
    wanted.map(async ([resource, name]) => {
      const found = await cluster.api.get(resource, { name }).catch((fault: unknown) => {
        if (isKubeFault(fault, 404)) return undefined;
        throw fault;
      });
      return [`${resource.kind} ${name}`, found] as const;
    }),
  );
};

const bundlesOf = (configuration: KubeObject | undefined): readonly string[] =>
  listAt(configuration, "webhooks").map((webhook) => textAt(webhook, "clientConfig", "caBundle"));

const certificatesIn = (pem: string): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );

const decoded = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");

/** Whether a certificate is good now, and signed by one of the bundle. */
const trustFinding = (serving: X509Certificate, bundles: readonly string[], nowMs: number): Finding => {
  const isTrusted = bundles.every((bundle) =>
    certificatesIn(decoded(bundle)).some(
      (authority) => serving.checkIssued(authority) && serving.verify(authority.publicKey),
    ),
  );
  if (!isTrusted)
    return failed(["caBundle does not hold the authority that signed the serving certificate"], certificateFix);
  const daysLeft = Math.floor((Date.parse(serving.validTo) - nowMs) / dayMs);
  if (daysLeft < 0) return failed([`the serving certificate ended on ${serving.validTo}`], certificateFix);
  return daysLeft < daysLeftMin
    ? warning([`the serving certificate ends in ${daysLeft} days`], certificateFix)
    : ok(`${daysLeft} days left`);
};

const configured: Check<Cluster> = {
  group,
  name: "webhook-configurations",
  sentence: "both webhook configurations exist, fail closed and carry a CA",
  run: async (cluster) => {
    const found = await configurations(cluster);
    const missing = found.filter(([, configuration]) => !configuration).map(([name]) => `${name} does not exist`);
    if (missing.length > 0) return failed(missing, reinstall);
    const open = found.filter(([, configuration]) =>
      listAt(configuration, "webhooks").some((webhook) => textAt(webhook, "failurePolicy") !== "Fail"),
    );
    if (open.length > 0)
      return failed(
        open.map(([name]) => `${name} has a failurePolicy other than Fail`),
        reinstall,
      );
    const bare = found.filter(([, configuration]) => bundlesOf(configuration).some((bundle) => bundle === ""));
    if (bare.length > 0)
      return failed(
        bare.map(([name]) => `${name} has no caBundle`),
        certificateFix,
      );
    return ok();
  },
};

const trusted: Check<Cluster> = {
  group,
  name: "webhook-certificate",
  sentence: "the webhook's certificate is signed by the CA that the API server trusts",
  run: async (cluster) => {
    const bundles = (await configurations(cluster)).flatMap(([, configuration]) => bundlesOf(configuration));
    if (bundles.length === 0 || bundles.includes("")) return skipped("a configuration has no caBundle");
    const { secret } = (await cluster.settingsOrDefaults()).webhook;
    try {
      const found = await cluster.api.get(resources.secrets, { namespace: cluster.namespace, name: secret });
      const [serving] = certificatesIn(decoded(textAt(found, "data", "tls.crt")));
      if (!serving) return failed([`Secret ${cluster.namespace}/${secret} holds no certificate`], certificateFix);
      return trustFinding(serving, bundles, cluster.nowMs());
    } catch (fault) {
      if (isKubeFault(fault, 403)) return skipped(`your account may not read Secret ${cluster.namespace}/${secret}`);
      if (isKubeFault(fault, 404))
        return failed([`Secret ${cluster.namespace}/${secret} does not exist`], certificateFix);
      throw fault;
    }
  },
};

const unreachable = "The API server does not reach the webhook: see docs/troubleshooting.md#webhook-unreachable.";

/** What a refused dry run tells. */
const refusalFinding = ({ message }: KubeFault): Finding => {
  if (message.includes("failed calling webhook")) return failed([message], unreachable);
  if (message.includes("sidegate") && /denied (the )?request/.test(message))
    return failed([message], "Look at the operator's log: the trial pod is one that must be let in.");
  return skipped(`the trial pod was refused for another reason: ${message}`);
};

const answers: Check<Cluster> = {
  group,
  name: "webhook-answers",
  sentence: "an annotated pod gets its sidecar (dry run: nothing is created)",
  run: async (cluster) => {
    const { watchNamespaces } = await cluster.settingsOrDefaults();
    const namespace = watchNamespaces[0] ?? "default";
    try {
      if (await triedByApiServer(cluster.api, namespace)) return ok();
      return failed([`a pod in namespace ${namespace} got no sidecar`], reinstall);
    } catch (fault) {
      if (!(fault instanceof KubeFault) || fault.status === 0) throw fault;
      const [mutating] = cluster.isInCluster && fault.status === 403 ? await configurations(cluster) : [];
      if (mutating?.[1] === undefined) return refusalFinding(fault);
      const why = await triedDirectly(mutating[1], namespace);
      return why === undefined ? ok("asked at its Service") : failed([why], unreachable);
    }
  },
};

const policy: Check<Cluster> = {
  group,
  name: "admission-policy",
  sentence: "the ValidatingAdmissionPolicy that keeps sidecars intact is bound and denies",
  run: async ({ api }) => {
    const ours = { labelSelector: "app.kubernetes.io/name=sidegate" };
    const policies = (await api.list(resources.validatingAdmissionPolicies, ours)).items;
    if (policies.length === 0) return failed(["there is no ValidatingAdmissionPolicy of ours"], reinstall);
    const bindings = (await api.list(policyBindings, {})).items;
    const denying = new Set(
      bindings
        .filter((binding) => listAt(binding, "spec", "validationActions").includes("Deny"))
        .map((binding) => textAt(binding, "spec", "policyName")),
    );
    const unbound = policies.filter(({ metadata }) => !denying.has(metadata.name));
    if (unbound.length > 0)
      return failed(
        unbound.map(({ metadata }) => `${metadata.name} has no binding that denies`),
        reinstall,
      );
    const warnings = policies.flatMap((one) =>
      listAt(memberAt(one, "status"), "typeChecking", "expressionWarnings").map(
        (found) => `${one.metadata.name}: ${textAt(found, "warning")}`,
      ),
    );
    return warnings.length > 0 ? warning(warnings, "Report it: this release does not fit this Kubernetes.") : ok();
  },
};

/** The fourth group. */
export const webhookChecks: readonly Check<Cluster>[] = [configured, trusted, certificateInUse, answers, policy];
