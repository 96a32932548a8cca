import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject } from "./json-values.ts";

/** Objects of one kind that are kept at most; the oldest goes first. */
const storedObjectsMax = 10_000;

/** A stored object as the API shows it. */
export type StoredObject = JsonObject & { readonly id: string };

/** Objects of one kind by id, in the order they came. */
export class Collection<T extends { readonly id: string }> {
  #entries = new Map<string, T>();

  /** Adds or replaces; an object that was there keeps its place. */
  put(entry: T): T {
    this.#entries.set(entry.id, entry);
    if (this.#entries.size > storedObjectsMax) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    return entry;
  }

  get(id: string): T | undefined {
    return this.#entries.get(id);
  }

  delete(id: string): boolean {
    return this.#entries.delete(id);
  }

  all(): T[] {
    return [...this.#entries.values()];
  }
}

/** One page of a list as every list endpoint answers it: `limit`, `after`, `before` and `order` of the query. */
export function pageOf<T extends { readonly id: string }>(
  entries: readonly T[],
  query: URLSearchParams,
  options: { limitDefault?: number; orderDefault?: "asc" | "desc" } = {},
): JsonObject & { readonly data: readonly T[] } {
  const isAscending = (query.get("order") ?? options.orderDefault ?? "desc") === "asc";
  const ordered = isAscending ? [...entries] : entries.toReversed();
  const after = ordered.findIndex((entry) => entry.id === query.get("after"));
  const before = ordered.findIndex((entry) => entry.id === query.get("before"));
  const window = ordered.slice(after + 1, before === -1 ? undefined : before);
  const limit = Number(query.get("limit") ?? options.limitDefault ?? 20);
  const data = window.slice(0, Number.isInteger(limit) && limit > 0 ? limit : 20);
  return {
    object: "list",
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: window.length > data.length,
  };
}

/** A stored object, its bytes or parts beside it, and how many looks it still shows as under way. */
export interface Kept {
  readonly id: string;
  view: StoredObject;
  bytes?: Buffer;
  items?: readonly StoredObject[];
  /** What the object becomes when background work is done. */
  finish?: () => StoredObject;
  pollsLeft?: number;
  /** Status while under way; absent is `in_progress`. */
  busyStatus?: string;
  /** The stream that made the object, for those who ask for it again. */
  replay?: (after: number) => Iterable<Frame>;
}

/** All that a provider remembers between requests. Nothing is written to disk. */
export class ProviderState {
  /** Decides made-up words and ids. */
  readonly seed: number;
  readonly chats = new Collection<Kept>();
  readonly responses = new Collection<Kept>();
  readonly conversations = new Collection<Kept>();
  readonly files = new Collection<Kept>();
  readonly uploads = new Collection<Kept>();
  readonly uploadParts = new Collection<Kept>();
  readonly batches = new Collection<Kept>();
  readonly tuningJobs = new Collection<Kept>();
  readonly vectorStores = new Collection<Kept>();
  readonly vectorFiles = new Collection<Kept>();

  constructor(seed: number) {
    this.seed = seed;
  }
}

/** The object as it stands at this look: background work moves on by one poll. */
export function viewOf(kept: Kept): StoredObject {
  if (kept.finish === undefined) return kept.view;
  if (kept.pollsLeft !== undefined && kept.pollsLeft > 0) {
    kept.pollsLeft -= 1;
    kept.view = { ...kept.view, status: kept.busyStatus ?? "in_progress" };
    return kept.view;
  }
  kept.view = kept.finish();
  delete kept.finish;
  return kept.view;
}

/** `metadata` of a request as objects store it: an object, else empty. */
export const metadataOf = (json: JsonObject): JsonObject => (isObject(json.metadata) ? json.metadata : {});
