/** What a workload's config Secret must hold: pure, so that the same resources give the same bytes and nothing is written twice. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { AIRoute } from "../../api/airoute.ts";
import type { SecretResource } from "../../api/secret.ts";
import type { ClusterScope } from "../../compile/cluster-quota.ts";
import { type CompileInput, type CompileResult, compile } from "../../compile/compile.ts";
import { configFileName, digestOf, encodeConfigAs } from "../../config/codec.ts";
import { contractVersion } from "../../config/contract.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import type { Workload } from "../../inject/workload.ts";
import { redisFileName } from "../../redis/place.ts";
import { dataDigestOf } from "../cluster/projections.ts";
import type { NamespaceKeys } from "../ports.ts";

/** Bytes of a config Secret's data. Kubernetes refuses more than 1 MiB (1,048,576); names and annotations need the rest. */
export const configSecretBytesMax = 1_000_000;

/** What is compiled for one workload. */
export interface Desired {
  readonly result: CompileResult;
  /** Base64 by file name, as a Secret holds it; undefined: too large to publish. */
  readonly data: Readonly<Record<string, string>> | undefined;
  readonly dataDigest: string;
  /** Digest of the newest contract version: what the pods' annotation carries. */
  readonly configDigest: string;
  /** Digest of the config by contract version: what heartbeats report. */
  readonly digests: ReadonlyMap<number, string>;
  /** Bytes of the data before base64. */
  readonly bytes: number;
}

/** Compiles and encodes. `contracts`: versions that live pods read; the current one is always among them. */
export const desiredOf = (
  workload: Workload,
  from: {
    readonly routes: readonly AIRoute[];
    readonly quotas: readonly AIQuota[];
    readonly secrets: readonly SecretResource[];
    readonly unreadableQuotas?: CompileInput["unreadableQuotas"];
    /** Absent: no quota counts over namespaces. */
    readonly cluster?: ClusterScope;
    readonly keys: NamespaceKeys;
    /** Audiences that injected pods get tokens for. */
    readonly tokenAudiences: readonly string[];
    /** Hosts that their tokens may go to. */
    readonly tokenHosts: readonly string[];
    readonly podIdentity: PodIdentityConfig;
    /** Milliseconds since the epoch: a certificate may be over. */
    readonly nowMs?: number;
    readonly contracts: Iterable<number>;
  },
): Desired => {
  const { namespace, serviceAccount, routePick } = workload;
  const result = compile({
    ...from.cluster,
    namespace,
    serviceAccount,
    ...(routePick !== undefined && { routePick }),
    routes: from.routes,
    quotas: from.quotas,
    secrets: from.secrets,
    unreadableQuotas: from.unreadableQuotas,
    keys: from.keys.keys,
    tokenAudiences: from.tokenAudiences,
    tokenHosts: from.tokenHosts,
    podIdentity: from.podIdentity,
    nowMs: from.nowMs,
  });
  const files = new Map<string, string>([[redisFileName, from.keys.redisJson]]);
  const digests = new Map<number, string>();
  for (const version of new Set([contractVersion, ...from.contracts])) {
    const text = encodeConfigAs(result.config, version);
    if (text === undefined) continue; // a contract that this release has no encoder for: those pods keep what they have
    files.set(configFileName(version), text);
    digests.set(version, digestOf(text));
  }
  const bytes = [...files].reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0);
  const data = Object.fromEntries(
    [...files].map(([name, text]): [string, string] => [name, Buffer.from(text, "utf8").toString("base64")]),
  );
  return {
    result,
    data: bytes <= configSecretBytesMax ? data : undefined,
    dataDigest: dataDigestOf(data),
    configDigest: digests.get(contractVersion) ?? "",
    digests,
    bytes,
  };
};
