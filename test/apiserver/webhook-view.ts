/** What the webhook's handlers know of a namespace in these tests: held in memory, set by the test. */
import { type AIQuota, aiquotaSchema } from "../../src/api/aiquota.ts";
import { type AIRoute, airouteSchema } from "../../src/api/airoute.ts";
import type { SecretResource } from "../../src/api/secret.ts";
import type { ResourceView } from "../../src/operator/ports.ts";

/** A view whose content a test sets. */
export interface Held extends ResourceView {
  /** Manifests with namespace; they must be right. */
  hold(...manifests: readonly object[]): void;
}

/** Holds nothing at first. */
export class HeldView implements Held {
  readonly isSynced = true;
  #routes: readonly AIRoute[] = [];
  #quotas: readonly AIQuota[] = [];

  hold(...manifests: readonly object[]): void {
    const of = (kind: string) => manifests.filter((manifest) => "kind" in manifest && manifest.kind === kind);
    this.#routes = of("AIRoute").map((manifest) => airouteSchema.parse(manifest));
    this.#quotas = of("AIQuota").map((manifest) => aiquotaSchema.parse(manifest));
  }

  routes(namespace: string): readonly AIRoute[] {
    return this.#routes.filter(({ metadata }) => metadata.namespace === namespace);
  }

  quotas(namespace: string): readonly AIQuota[] {
    return this.#quotas.filter(({ metadata }) => metadata.namespace === namespace);
  }

  secrets(): readonly SecretResource[] {
    return [];
  }
}
