/** Wires what tells of quotas: the queue of notifications behind it, on the machine's own timers. */

import type { SecretResource } from "../../api/secret.ts";
import type { Log } from "../../base/log.ts";
import { systemTimers } from "../../kube/timers.ts";
import { quotaItem } from "../reconcile/keys.ts";
import { QuotaTeller, type TellerDeps } from "../reconcile/quota-teller.ts";
import { Notifier, type NotifierOptions } from "./notifier.ts";
import { postJson } from "./post.ts";

/** What it needs of the operator. */
interface OpenTeller extends Pick<TellerDeps, "events" | "figures" | "hosts" | "nowMs"> {
  readonly caches: { secrets(namespace: string): readonly SecretResource[] };
  readonly log: Log;
  readonly leader: { isLeading(): boolean };
  readonly metrics: { notified: NotifierOptions["ended"] };
  readonly queue: { add(key: string): void };
}

/** The teller of an operator. */
export const openTeller = ({ events, figures, hosts, nowMs, caches, log, leader, metrics, queue }: OpenTeller) =>
  new QuotaTeller({
    ...{ events, figures, hosts, nowMs },
    secretsOf: (namespace) => caches.secrets(namespace),
    notifier: new Notifier({
      ...{ post: postJson, timers: systemTimers, log, random: Math.random },
      isLeading: () => leader.isLeading(),
      ended: (...end) => metrics.notified(...end),
      changed: (namespace, name) => queue.add(quotaItem(namespace, name)),
    }),
  });
