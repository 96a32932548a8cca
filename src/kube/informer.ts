/** A copy of the cluster's objects of one kind, cut down to what is used, that keeps itself up to date. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ListWatch, type ListWatchCounts } from "./list-watch.ts";
import { keyOf } from "./object-key.ts";
import { ObjectStore } from "./object-store.ts";
import type { KubeApi, KubeObject, Resource, WatchEvent } from "./port.ts";
import { systemTimers, type Timers } from "./timers.ts";

/** What an informer follows and what it keeps of it. */
export interface InformerOptions<T> {
  readonly api: KubeApi;
  readonly resource: Resource;
  /** Absent: all. Otherwise one list and watch for each. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only metadata is sent. Default false. */
  readonly isMetadataOnly?: boolean | undefined;
  /** What is kept of an object; the object itself is let go. When it throws, what was known of the object stays. */
  readonly project: (object: KubeObject) => T;
  /** Called after each change, within the event: it must not block. Previous undefined: added; current undefined: gone. What it throws is logged. */
  readonly onChange?: (previous: T | undefined, current: T | undefined, key: string) => void;
  /** Tells that a new projection brings nothing new, so that onChange is not called. Default: every new resourceVersion is a change. */
  readonly isSame?: ((previous: T, current: T) => boolean) | undefined;
  readonly clock: Clock;
  readonly timers?: Timers;
  readonly log: Log;
  /** Objects a page of a list, 1 to 1000. Default 500. */
  readonly pageSize?: number;
  readonly random?: () => number;
}

const pageSizeDefault = 500;

/** Lists, watches and remembers. A deletion that was missed shows at the next list. */
export class Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #store: ObjectStore<T>;
  readonly #shards: readonly ListWatch[];
  readonly #unsynced: Set<string | undefined>;
  readonly #synced = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  #running: Promise<unknown> | undefined;

  /** Asks for nothing before `start`. */
  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#store = new ObjectStore({
      isSame: options.isSame ?? (() => false),
      onChange: (...change) => this.#tell(...change),
    });
    const namespaces = options.namespaces === undefined ? [undefined] : [...new Set(options.namespaces)];
    this.#unsynced = new Set(namespaces);
    this.#shards = namespaces.map((namespace) => this.#shard(namespace));
    this.#synced.promise.catch(() => undefined); // whoever waits is told; it is no fault if nobody does
    if (namespaces.length === 0) this.#synced.resolve();
  }

  /** Begins; a second call changes nothing. */
  start(): void {
    this.#running ??= Promise.all(this.#shards.map((shard) => shard.run(this.#ended.signal)));
  }

  /** Ends its requests; what is known stays readable. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#running;
    this.#synced.reject(new Error(`${this.#options.resource.plural}: stopped before the first list was whole`));
  }

  /** True once everything was listed once; it stays true when the server goes away. */
  get isSynced(): boolean {
    return this.#unsynced.size === 0;
  }

  /** Resolves when isSynced is true; rejects when it is stopped before. */
  whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  /** The object of a name; `namespace` "" for what is not namespaced. */
  get(namespace: string, name: string): T | undefined {
    return this.#store.get(namespace, name);
  }

  /** All objects, or those of one namespace, in no order. */
  list(namespace?: string): T[] {
    return this.#store.list(namespace);
  }

  /** How many objects are known. */
  get size(): number {
    return this.#store.size;
  }

  /** When the server last said something of every namespace, ms on the monotonic clock. */
  get lastContactMs(): number {
    return Math.min(this.#options.clock.monotonicMs(), ...this.#shards.map((shard) => shard.lastContactMs));
  }

  /** How old what we know may be, ms. A quiet and healthy watch comes to 45 000. */
  get stalenessMs(): number {
    return this.#options.clock.monotonicMs() - this.lastContactMs;
  }

  /** Lists, watches, events and faults since the start. */
  get counts(): ListWatchCounts {
    const sum: ListWatchCounts = { lists: 0, watches: 0, events: 0, faults: 0 };
    for (const { counts } of this.#shards) {
      sum.lists += counts.lists;
      sum.watches += counts.watches;
      sum.events += counts.events;
      sum.faults += counts.faults;
    }
    return sum;
  }

  #shard(namespace: string | undefined): ListWatch {
    const { api, resource, labelSelector, fieldSelector, isMetadataOnly, clock, log } = this.#options;
    let seen = new Set<string>();
    return new ListWatch({
      api,
      resource,
      selection: { namespace, labelSelector, fieldSelector, isMetadataOnly },
      pageSize: this.#options.pageSize ?? pageSizeDefault,
      clock,
      timers: this.#options.timers ?? systemTimers,
      log,
      random: this.#options.random ?? Math.random,
      sink: {
        listed: (items, isFirst) => {
          if (isFirst) seen = new Set();
          for (const item of items) {
            seen.add(keyOf(item.metadata));
            this.#guarded(item, () => this.#store.listed(item.metadata, () => this.#options.project(item)));
          }
        },
        listEnded: () => {
          this.#store.keepOnly(seen, namespace);
          seen = new Set();
          this.#unsynced.delete(namespace);
          if (this.isSynced) this.#synced.resolve();
        },
        event: (event) => this.#event(event),
      },
    });
  }

  #event({ type, object }: WatchEvent): void {
    this.#guarded(object, () => {
      if (type === "DELETED") this.#store.deleted(object.metadata);
      else this.#store.changed(object.metadata, () => this.#options.project(object));
    });
  }

  /** A projection that throws costs its own object's news, not the watch. */
  #guarded({ metadata }: KubeObject, run: () => void): void {
    try {
      run();
    } catch (err) {
      this.#options.log.error(
        { err, resource: this.#options.resource.plural, key: keyOf(metadata) },
        "object not understood",
      );
    }
  }

  #tell(previous: T | undefined, current: T | undefined, key: string): void {
    try {
      this.#options.onChange?.(previous, current, key);
    } catch (err) {
      this.#options.log.error({ err, resource: this.#options.resource.plural, key }, "change handler failed");
    }
  }
}
