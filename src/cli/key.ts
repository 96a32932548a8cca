/** `sidegate key`: API keys of callers. The Secret gets digests; a key is printed once, on stdout, and is nowhere else. */
import { systemClock } from "../base/clock.ts";
import { createKubeApi } from "../kube/client.ts";
import { KubeFault } from "../kube/port.ts";
import { connectByKubeconfig } from "./connection.ts";
import { type Creation, creation, revocation, rotation } from "./key/changes.ts";
import { clusterKeyStore } from "./key/cluster-store.ts";
import { KeyFault } from "./key/fault.ts";
import { fileKeyStore } from "./key/file-store.ts";
import { keyJson, keyTable } from "./key/list.ts";
import { momentText } from "./key/moment.ts";
import { createOptions, listOptions, revokeOptions, rotateOptions, type SecretOptions } from "./key/options.ts";
import type { KeyStore } from "./key/store.ts";
import { UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const keyUsage = `sidegate key COMMAND --secret NAME       API keys of callers (identity.require: APIKey), as digests in a Secret
  create --user USER       a new key, on stdout and never again; with --id ID, --tenant T, --role R..., --group G...,
                           --expires 90d|DATE|never (never), --not-before 1h|DATE (at once)
  revoke ID                the key is out within seconds; with --after 24h it ends then
  rotate ID                a further key of the same meaning; the old one ends after --overlap (24h); --expires as above
  list                     ids, whose they are, how long they hold; -o json for scripts
      --secret NAME        the Secret; create makes it where it does not exist
  -n, --namespace NAME     its namespace (the kubeconfig's, else default)
  -f, --file FILE          the Secret in a file of resources, changed in place; default: in the cluster
      --kubeconfig FILE    the cluster (KUBECONFIG, else ~/.kube/config); --context NAME`;

/** Carries the command out; answers the exit code: 0 done, 1 it cannot be done. Throws UsageFault. */
export async function key(args: readonly string[]): Promise<number> {
  const [command = "", ...rest] = args;
  const run = commands[command];
  if (!run)
    throw new UsageFault(`key${command && ` ${command}`}: must be key create, key revoke, key rotate or key list`);
  try {
    return await run(rest, systemClock.nowMs());
  } catch (fault) {
    if (!(fault instanceof KeyFault || fault instanceof KubeFault)) throw fault;
    process.stderr.write(`sidegate: ${fault.message}\n`);
    return 1;
  }
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const commands: Readonly<Record<string, (args: readonly string[], nowMs: number) => Promise<number>>> = {
  create: async (args, nowMs) => {
    const { id, meaning, ...where } = createOptions(args, nowMs);
    return await withStore(where, async (store) => {
      let made: Creation | undefined;
      await store.change((entries) => {
        made = creation(entries, id, meaning);
        return made.changes;
      });
      return made ? await handOver(made, `is in ${store.name}${endText(meaning.expiresMs)}`) : 0;
    });
  },
  revoke: async (args, nowMs) => {
    const { id, endMs, ...where } = revokeOptions(args, nowMs);
    return await withStore(where, async (store) => {
      let endsMs: number | undefined;
      const remarks = await store.change((entries) => {
        const revoked = revocation(entries, id, endMs);
        endsMs = revoked.endsMs;
        return revoked.changes;
      });
      say(
        endsMs === undefined
          ? `Key ${id} is out of ${store.name}.`
          : `Key ${id} of ${store.name} ends at ${momentText(endsMs)}.`,
      );
      for (const remark of remarks) say(remark);
      return 0;
    });
  },
  rotate: async (args, nowMs) => {
    const { id, oldEndMs, newEnd, ...where } = rotateOptions(args, nowMs);
    return await withStore(where, async (store) => {
      let made: ReturnType<typeof rotation> | undefined;
      await store.change((entries) => {
        made = rotation(entries, id, { oldEndMs, newEnd, nowMs });
        return made.changes;
      });
      if (!made) return 0;
      const remark = `The old key ${id} ends at ${momentText(made.oldEndsMs)}.`;
      return await handOver(made, `is in ${store.name}${endText(newEnd?.expiresMs)}`, [remark]);
    });
  },
  list: async (args, nowMs) => {
    const { isJson, ...where } = listOptions(args);
    return await withStore(where, async (store) => {
      const entries = await store.read();
      if (!entries) throw new KeyFault(`${store.name} does not exist: sidegate key create makes it`);
      process.stdout.write(isJson ? keyJson(entries, nowMs) : keyTable(entries, nowMs));
      return 0;
    });
  },
};

const endText = (expiresMs: number | undefined): string =>
  expiresMs === undefined ? " and does not expire" : ` until ${momentText(expiresMs)}`;

/**
 * The key alone on stdout, so that it can be piped; what is said about it, and the remarks, on stderr, before an `error` of stdout ends
 * the process. Answers the exit code: 1 where nobody has got the key.
 */
const handOver = async (
  { key: { id, key: text } }: Creation,
  sentence: string,
  remarks: readonly string[] = [],
): Promise<number> => {
  const { promise, resolve } = Promise.withResolvers<number>();
  process.stdout.write(`${text.reveal()}\n`, (fault) => {
    say(
      fault
        ? `sidegate: Key ${id} ${sentence}, but it could not be written out, so nobody has it: revoke it`
        : `Key ${id} ${sentence}. It is shown this once: hand it over now.`,
    );
    for (const remark of remarks) say(remark);
    resolve(fault ? 1 : 0);
  });
  return await promise;
};

const withStore = async (where: SecretOptions, use: (store: KeyStore) => Promise<number>): Promise<number> => {
  const { secret: name, namespace, file } = where;
  if (file !== undefined) return await use(fileKeyStore(file, { name, namespace }));
  const connection = await connectByKubeconfig(where);
  const api = createKubeApi(connection);
  try {
    return await use(clusterKeyStore(api, { name, namespace: namespace ?? connection.namespace ?? "default" }));
  } finally {
    api.close();
  }
};
