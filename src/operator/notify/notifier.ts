/** Sends notices in the background: bounded, with tries, and never in the way of a reconcile. What was sent stands in the quota's status. */
import type { Log } from "../../base/log.ts";
import { backoffMs } from "../../kube/backoff.ts";
import type { Timers } from "../../kube/timers.ts";
import { bodyOf, type Notice } from "./notice.ts";
import type { Post } from "./post.ts";
import type { Receiver } from "./receivers.ts";

/**
 * Bodies that wait, and of them for one namespace, so that one alone cannot fill it. A notice for which there is no room is offered
 * again by the next reconcile of its quota.
 */
export const jobsMax = 5_000;
export const jobsOfNamespaceMax = 100;
/** Posts at once, and of them for one namespace: slow receivers of one do not keep the others waiting. */
export const postsMax = 8;
export const postsOfNamespaceMax = 2;
/** Tries of one body, and the times between them, ms: about two minutes in all. */
export const triesMax = 6;
const backoff = { delayMsMin: 2_000, delayMsMax: 60_000 };
/** Results that are remembered of one namespace; beyond it the oldest is forgotten, and that notice is sent once more. */
const resultsOfNamespaceMax = 200;
/** Namespaces whose results are remembered when they have nothing more to send; beyond it that which sent longest ago is forgotten. */
const idleNamespacesMax = 1_000;

/** How a notice ended: Sent, when every receiver took it. */
export type NoticeResult = "Sent" | "Failed";

/** What it needs. */
export interface NotifierOptions {
  readonly post: Post;
  readonly timers: Timers;
  readonly log: Log;
  readonly random: () => number;
  /** Asked before each post: only the leader sends. */
  readonly isLeading: () => boolean;
  /** Told of each body that ended. */
  readonly ended: (type: Receiver["type"], result: "sent" | "failed") => void;
  /** A notice of this quota has a result. */
  readonly changed: (namespace: string, quota: string) => void;
}

interface Job {
  readonly notice: Notice;
  readonly receiver: Receiver;
  failures: number;
}

/** What one namespace has in the queue. */
interface Share {
  readonly waiting: Job[];
  /** By id of a notice: bodies that have not ended, and whether one failed. */
  readonly open: Map<string, { left: number; hasFailed: boolean }>;
  readonly results: Map<string, NoticeResult>;
  /** Bodies that have not ended: they wait for their turn or their next try, or are on their way. */
  jobs: number;
  posts: number;
}

/** The queue, with a share for each namespace. In memory: what is lost with the process is Pending in a status, and is offered again. */
export class Notifier {
  readonly #options: NotifierOptions;
  /** In the order of their turns: who was served goes to the end. */
  readonly #shares = new Map<string, Share>();
  #jobs = 0;
  #posts = 0;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** Bodies that have not ended. */
  get pending(): number {
    return this.#jobs;
  }

  /** Queues a notice, if it is not there yet and there is room for its namespace. Returns at once, never throws. */
  offer(notice: Notice, receivers: readonly Receiver[]): void {
    const { id, namespace } = notice;
    const share = this.#shares.get(namespace) ?? newShare();
    if (receivers.length === 0 || share.open.has(id) || share.results.has(id)) return;
    if (share.jobs + receivers.length > jobsOfNamespaceMax || this.#jobs + receivers.length > jobsMax) return;
    this.#shares.set(namespace, share);
    share.open.set(id, { left: receivers.length, hasFailed: false });
    share.jobs += receivers.length;
    this.#jobs += receivers.length;
    for (const receiver of receivers) share.waiting.push({ notice, receiver, failures: 0 });
    this.#pump();
  }

  /** How a notice of a namespace ended; undefined: it has not, or is not known. */
  resultOf(namespace: string, id: string): NoticeResult | undefined {
    return this.#shares.get(namespace)?.results.get(id);
  }

  #pump(): void {
    while (this.#posts < postsMax) {
      const turn = this.#nextTurn();
      if (!turn) return;
      void this.#send(turn.share, turn.job);
    }
  }

  #nextTurn(): { readonly share: Share; readonly job: Job } | undefined {
    for (const [namespace, share] of this.#shares) {
      const job = share.posts < postsOfNamespaceMax ? share.waiting.shift() : undefined;
      if (!job) continue;
      this.#toEnd(namespace, share);
      return { share, job };
    }
    return undefined;
  }

  #toEnd(namespace: string, share: Share): void {
    this.#shares.delete(namespace);
    this.#shares.set(namespace, share);
  }

  async #send(share: Share, job: Job): Promise<void> {
    const { notice, receiver } = job;
    if (!this.#options.isLeading()) {
      this.#drop(share, job); // whoever leads now finds it Pending
      return;
    }
    this.#posts++;
    share.posts++;
    const result = await this.#options.post(receiver.url, bodyOf(receiver.type, notice));
    this.#posts--;
    share.posts--;
    if (result.ok) this.#end(share, job, false);
    else this.#failed(share, job, result);
    this.#pump();
  }

  #failed(share: Share, job: Job, { isRetryable, why }: { readonly isRetryable: boolean; readonly why: string }): void {
    job.failures++;
    const { id, namespace, quota } = job.notice;
    if (isRetryable && job.failures < triesMax) {
      this.#options.timers.after(backoffMs(job.failures, { ...backoff, random: this.#options.random }), () => {
        share.waiting.push(job);
        this.#pump();
      });
      return;
    }
    this.#options.log.warn(
      { namespace, quota, id, type: job.receiver.type, why, tries: job.failures },
      "quota notification not delivered",
    );
    this.#end(share, job, true);
  }

  #end(share: Share, { notice, receiver }: Job, hasFailed: boolean): void {
    this.#jobs--;
    share.jobs--;
    this.#options.ended(receiver.type, hasFailed ? "failed" : "sent");
    const open = share.open.get(notice.id);
    if (!open) return;
    open.left--;
    open.hasFailed ||= hasFailed;
    if (open.left > 0) return;
    share.open.delete(notice.id);
    share.results.set(notice.id, open.hasFailed ? "Failed" : "Sent");
    forgetOldest(share.results, resultsOfNamespaceMax);
    this.#forgetIdle();
    this.#options.changed(notice.namespace, notice.quota);
  }

  #drop(share: Share, { notice }: Job): void {
    this.#jobs--;
    share.jobs--;
    share.open.delete(notice.id);
  }

  #forgetIdle(): void {
    let excess = this.#shares.size - idleNamespacesMax;
    for (const [namespace, { jobs }] of this.#shares) {
      if (excess <= 0) return;
      if (jobs > 0) continue;
      this.#shares.delete(namespace);
      excess--;
    }
  }
}

const newShare = (): Share => ({ waiting: [], open: new Map(), results: new Map(), jobs: 0, posts: 0 });

const forgetOldest = (results: Map<string, unknown>, max: number): void => {
  for (const oldest of results.keys()) {
    if (results.size <= max) return;
    results.delete(oldest);
  }
};
