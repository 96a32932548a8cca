/** What is derived from the keyring for a namespace, looked up when it is needed. Only the leader has read the keyring. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeApi } from "../../kube/port.ts";
import { type NamespaceKeys, StateUnavailable } from "../ports.ts";
import { type Keyring, namespaceKeys, redisPasswords, type SidecarRedis } from "./keyring.ts";
import { KeyringKeeper } from "./keyring-keeper.ts";

/** What it needs. `api`: fenced, because it makes and rotates the keyring. */
export interface NamespaceSecretsOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly secret: string;
  readonly rotationDays: number;
  readonly sidecarRedis: SidecarRedis;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keys and passwords by namespace. */
export class NamespaceSecrets {
  readonly #keeper: KeyringKeeper;
  readonly #sidecarRedis: SidecarRedis;
  readonly #clock: Clock;

  constructor({ api, namespace, secret, rotationDays, sidecarRedis, clock, log }: NamespaceSecretsOptions) {
    this.#keeper = new KeyringKeeper({ api, namespace, secret, rotationDays, clock, random: randomBytes, log });
    this.#sidecarRedis = sidecarRedis;
    this.#clock = clock;
  }

  /** Makes or rotates the keyring where that is due; answers whether what is derived from it has changed. */
  async reconcile(): Promise<boolean> {
    return (await this.#keeper.reconcile()).isChanged;
  }

  /** For the config of a namespace. Throws StateUnavailable while the keyring has not been read. */
  keysOf(namespace: string): NamespaceKeys {
    return namespaceKeys(this.#keyring(), namespace, this.#clock.nowMs(), this.#sidecarRedis);
  }

  /** Passwords of the namespace's user in Redis, the one in use first. Throws as keysOf. */
  passwordsOf(namespace: string): readonly string[] {
    return redisPasswords(this.#keyring(), namespace, this.#clock.nowMs());
  }

  #keyring(): Keyring {
    const { keyring } = this.#keeper;
    if (!keyring) throw new StateUnavailable("the keyring has not been read yet");
    return keyring;
  }
}
