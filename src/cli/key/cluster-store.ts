/** The Secret of API keys in a cluster. Nothing that somebody else writes at the same time is lost: each write is conditional. */
import { credentialLabel } from "../../api/secret.ts";
import { isKubeFault, type KubeApi, type KubeObject, type ObjectRef, resources } from "../../kube/port.ts";
import { memberAt } from "../check/members.ts";
import { KeyFault } from "./fault.ts";
import type { Entries, EntryChanges, KeyStore } from "./store.ts";

/** Writes that may be overtaken by somebody else's, in a row. */
const triesMax = 5;

/** The Secret of this name. It needs get, create and patch of Secrets in the namespace. */
export const clusterKeyStore = (api: KubeApi, ref: ObjectRef & { readonly namespace: string }): KeyStore => {
  const name = `Secret ${ref.namespace}/${ref.name}`;
  const find = async (): Promise<KubeObject | undefined> => {
    try {
      return await api.get(resources.secrets, ref);
    } catch (fault) {
      if (isKubeFault(fault, 404)) return undefined;
      throw fault;
    }
  };
  const write = async (secret: KubeObject | undefined, changes: EntryChanges): Promise<void> => {
    const data = Object.fromEntries([...changes].map(([id, text]) => [id, text === undefined ? null : encoded(text)]));
    if (secret === undefined) await api.create(resources.secrets, newSecret(ref, data));
    else {
      const { resourceVersion } = secret.metadata;
      await api.mergePatch(resources.secrets, ref, { metadata: { resourceVersion }, data });
    }
  };
  return {
    name,
    read: async () => {
      const secret = await find();
      return secret && entriesOf(secret, name, ref);
    },
    change: async (changesOf) => {
      for (let tries = 1; ; tries += 1) {
        const secret = await find();
        if (memberAt(secret, "immutable") === true)
          throw new KeyFault(`${name} is immutable: make another one and name it in the route`);
        const changes = changesOf(secret && entriesOf(secret, name, ref));
        try {
          await write(secret, changes);
          return [];
        } catch (fault) {
          if (!isKubeFault(fault, 409)) throw fault;
          if (tries >= triesMax) throw new KeyFault(`${name} is being written by others all the time: try again`);
        }
      }
    },
  };
};

const encoded = (text: string): string => Buffer.from(text, "utf8").toString("base64");

const newSecret = ({ namespace, name }: ObjectRef, data: object): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, ...(namespace !== undefined && { namespace }), labels: { [credentialLabel]: "true" } },
  type: "Opaque",
  data,
});

/** Refuses a Secret that no route could use, and that may hold something else. */
const entriesOf = (secret: KubeObject, name: string, { namespace, name: plain }: ObjectRef): Entries => {
  if (secret.metadata.labels?.[credentialLabel] !== "true")
    throw new KeyFault(
      `${name} lacks the label ${credentialLabel}: "true", so no route may use it. If it is meant for API keys: kubectl label secret ${plain} -n ${namespace} ${credentialLabel}=true`,
    );
  const data = memberAt(secret, "data") ?? {};
  return new Map(Object.entries(data).map(([id, text]) => [id, Buffer.from(String(text), "base64").toString("utf8")]));
};
