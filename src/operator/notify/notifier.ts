/** Sends notices in the background: bounded, with tries, and never in the way of a reconcile. What was sent stands in the quota's status. */
import type { Log } from "../../base/log.ts";
import { backoffMs } from "../../kube/backoff.ts";
import type { Timers } from "../../kube/timers.ts";
import { bodyOf, type Notice } from "./notice.ts";
import type { Post } from "./post.ts";
import type { Receiver } from "./receivers.ts";

/** Bodies that wait; a notice for which there is no room is offered again by the next reconcile of its quota. */
export const jobsMax = 1_000;
/** Posts at once, and of them for one namespace: slow receivers of one do not keep the others waiting. */
export const postsMax = 8;
export const postsOfNamespaceMax = 2;
/** Tries of one body, and the times between them, ms: about two minutes in all. */
export const triesMax = 6;
const backoff = { delayMsMin: 2_000, delayMsMax: 60_000 };
/** Results that nobody has asked for yet; beyond it the oldest is forgotten, and that notice is sent once more. */
const resultsMax = 2_000;

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

/** The queue. In memory: what is lost with the process is Pending in a status, and is offered again. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #waiting: Job[] = [];
  /** By id of a notice: bodies that have not ended, and whether one failed. */
  readonly #open = new Map<string, { left: number; hasFailed: boolean }>();
  readonly #results = new Map<string, NoticeResult>();
  readonly #posting = new Map<string, number>();
  #jobs = 0;
  #posts = 0;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** Bodies that have not ended. */
  get pending(): number {
    return this.#jobs;
  }

  /** Queues a notice, if it is not there yet and there is room. Returns at once, never throws. */
  offer(notice: Notice, receivers: readonly Receiver[]): void {
    const { id } = notice;
    if (receivers.length === 0 || this.#open.has(id) || this.#results.has(id)) return;
    if (this.#jobs + receivers.length > jobsMax) return;
    this.#open.set(id, { left: receivers.length, hasFailed: false });
    this.#jobs += receivers.length;
    for (const receiver of receivers) this.#waiting.push({ notice, receiver, failures: 0 });
    this.#pump();
  }

  /** How a notice ended; undefined: it has not, or is not known. */
  resultOf(id: string): NoticeResult | undefined {
    return this.#results.get(id);
  }

  #pump(): void {
    while (this.#posts < postsMax) {
      const at = this.#waiting.findIndex(
        ({ notice }) => (this.#posting.get(notice.namespace) ?? 0) < postsOfNamespaceMax,
      );
      const [job] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (!job) return;
      void this.#send(job);
    }
  }

  async #send(job: Job): Promise<void> {
    const { notice, receiver } = job;
    const { namespace } = notice;
    if (!this.#options.isLeading()) {
      this.#drop(job); // whoever leads now finds it Pending
      return;
    }
    this.#posts++;
    this.#posting.set(namespace, (this.#posting.get(namespace) ?? 0) + 1);
    const result = await this.#options.post(receiver.url, bodyOf(receiver.type, notice));
    this.#posts--;
    const others = (this.#posting.get(namespace) ?? 1) - 1;
    if (others > 0) this.#posting.set(namespace, others);
    else this.#posting.delete(namespace);
    if (result.ok) this.#end(job, false);
    else this.#failed(job, result);
    this.#pump();
  }

  #failed(job: Job, { isRetryable, why }: { readonly isRetryable: boolean; readonly why: string }): void {
    job.failures++;
    const { id, namespace, quota } = job.notice;
    if (isRetryable && job.failures < triesMax) {
      this.#options.timers.after(backoffMs(job.failures, { ...backoff, random: this.#options.random }), () => {
        this.#waiting.push(job);
        this.#pump();
      });
      return;
    }
    this.#options.log.warn(
      { namespace, quota, id, type: job.receiver.type, why, tries: job.failures },
      "quota notification not delivered",
    );
    this.#end(job, true);
  }

  #end({ notice, receiver }: Job, hasFailed: boolean): void {
    this.#jobs--;
    this.#options.ended(receiver.type, hasFailed ? "failed" : "sent");
    const open = this.#open.get(notice.id);
    if (!open) return;
    open.left--;
    open.hasFailed ||= hasFailed;
    if (open.left > 0) return;
    this.#open.delete(notice.id);
    this.#results.set(notice.id, open.hasFailed ? "Failed" : "Sent");
    for (const oldest of this.#results.keys()) {
      if (this.#results.size <= resultsMax) break;
      this.#results.delete(oldest);
    }
    this.#options.changed(notice.namespace, notice.quota);
  }

  #drop({ notice }: Job): void {
    this.#jobs--;
    this.#open.delete(notice.id);
  }
}
