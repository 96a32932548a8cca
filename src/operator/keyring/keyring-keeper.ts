import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import {
  encodeKeyring,
  type Keyring,
  KeyringFault,
  newKeyring,
  parseKeyring,
  publishedOrder,
  type RandomBytes,
  rotated,
} from "./keyring.ts";

/** Name of the file in the Secret. */
export const keyringFileName = "keyring.json";

/** What a keeper needs. */
export interface KeyringKeeperSettings {
  readonly api: KubeApi;
  /** The operator's own. */
  readonly namespace: string;
  /** Name of the Secret. */
  readonly secret: string;
  /** Age at which a new key is made, days. */
  readonly rotationDays: number;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Log;
}

interface Stored {
  readonly keyring: Keyring;
  readonly object: KubeObject;
}

/** Keeps the keyring's Secret: every replica reads it, the leader alone makes and rotates it. */
export class KeyringKeeper {
  readonly #settings: KeyringKeeperSettings;
  #keyring: Keyring | undefined;
  /** What `reconcile` answered last: content and order. */
  #answered = "";

  constructor(settings: KeyringKeeperSettings) {
    this.#settings = settings;
  }

  /** As it was read or written last; undefined before that. */
  get keyring(): Keyring | undefined {
    return this.#keyring;
  }

  /** Reads it; undefined: there is none. Throws KubeFault, and KeyringFault for a Secret that holds something else. */
  async load(): Promise<Keyring | undefined> {
    return (await this.#read())?.keyring;
  }

  /**
   * For the leader: makes the keyring where there is none, and rotates it. `isChanged`: what namespaces get is another thing than after
   * the last call, by a key more or less or by their order. A broken one is never replaced: what was sealed with it
   * may still be wanted, so a person decides. Another leader's write wins. Throws KubeFault and KeyringFault.
   */
  async reconcile(): Promise<{ readonly keyring: Keyring; readonly isChanged: boolean }> {
    const { clock, random, rotationDays } = this.#settings;
    const stored = (await this.#read()) ?? (await this.#create());
    const next = rotated(stored.keyring, clock.nowMs(), rotationDays, random);
    if (next !== stored.keyring) await this.#replace(next, stored.object);
    const keyring = this.#keyring ?? stored.keyring;
    const order = publishedOrder(keyring, clock.nowMs()).map(({ id }) => id);
    const answer = `${encodeKeyring(keyring)}${order.join()}`;
    const isChanged = answer !== this.#answered;
    this.#answered = answer;
    return { keyring, isChanged };
  }

  async #read(): Promise<Stored | undefined> {
    const { api, namespace, secret } = this.#settings;
    try {
      return this.#took(await api.get(resources.secrets, { namespace, name: secret }));
    } catch (fault) {
      if (!isKubeFault(fault, 404)) throw fault;
      return undefined;
    }
  }

  async #create(): Promise<Stored> {
    const { api, clock, random, log } = this.#settings;
    try {
      const made = this.#took(await api.create(resources.secrets, this.#object(newKeyring(clock.nowMs(), random))));
      log.warn(
        { secret: this.#settings.secret },
        "keyring made: what was cached under an earlier one is not found any more",
      );
      return made;
    } catch (fault) {
      if (!isKubeFault(fault, 409)) throw fault;
      const stored = await this.#read(); // another leader was faster
      if (stored === undefined) throw fault;
      return stored;
    }
  }

  /** Everything else on the Secret stays; its resourceVersion makes the write conditional. */
  async #replace(next: Keyring, object: KubeObject): Promise<void> {
    const { api, log } = this.#settings;
    try {
      this.#took(await api.replace(resources.secrets, { ...object, data: dataOf(next) }));
      log.info({ keys: next.keys.map(({ id }) => id) }, "keyring rotated");
    } catch (fault) {
      if (!isKubeFault(fault, 409)) throw fault;
      await this.#read();
    }
  }

  #took(object: KubeObject): Stored {
    const keyring = parseKeyring(textOf(object));
    this.#keyring = keyring;
    return { keyring, object };
  }

  #object(keyring: Keyring): KubeObject {
    const { namespace, secret } = this.#settings;
    return {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: secret,
        namespace,
        labels: { "app.kubernetes.io/name": "sidegate", "app.kubernetes.io/component": "keyring" },
      },
      type: "Opaque",
      data: dataOf(keyring),
    };
  }
}

const dataOf = (keyring: Keyring): Readonly<Record<string, string>> => ({
  [keyringFileName]: Buffer.from(encodeKeyring(keyring)).toString("base64"),
});

const textOf = ({ metadata, data }: KubeObject): string => {
  const text = typeof data === "object" && data !== null && keyringFileName in data ? data[keyringFileName] : undefined;
  if (typeof text !== "string") throw new KeyringFault(`Secret ${metadata.name} has no ${keyringFileName}`);
  return Buffer.from(text, "base64").toString("utf8");
};
