/** What an informer remembers: the projection of each object, by namespace and name. */
import { objectKey } from "./object-key.ts";
import type { ObjectMeta } from "./port.ts";
import { compareResourceVersions } from "./resource-version.ts";

interface Entry<T> {
  readonly value: T;
  readonly resourceVersion: string;
}

/** How a store is told of changes. */
export interface ObjectStoreOptions<T> {
  /** Told after the store has changed; a value equal by `isSame` is no change. */
  readonly onChange: (previous: T | undefined, current: T | undefined, key: string) => void;
  readonly isSame: (previous: T, current: T) => boolean;
}

/** Deletions that are remembered, so that an older event does not bring the object back; the oldest is forgotten first. */
const tombstonesMax = 1_000;

/** Objects of one resource. An object with the resourceVersion that is known already is not looked at again. */
export class ObjectStore<T> {
  readonly #byNamespace = new Map<string, Map<string, Entry<T>>>();
  readonly #tombstones = new Map<string, string>();
  readonly #options: ObjectStoreOptions<T>;
  #size = 0;

  constructor(options: ObjectStoreOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#byNamespace.get(namespace)?.get(name)?.value;
  }

  /** Of one namespace, or all. */
  list(namespace?: string): T[] {
    const groups =
      namespace === undefined ? this.#byNamespace.values() : [this.#byNamespace.get(namespace) ?? new Map()];
    const values: T[] = [];
    for (const group of groups) for (const entry of group.values()) values.push(entry.value);
    return values;
  }

  /** From a list, which is newer than all that was known: whatever it says stands. */
  listed({ namespace = "", name, resourceVersion = "" }: ObjectMeta, project: () => T): void {
    const known = this.#byNamespace.get(namespace)?.get(name);
    if (known === undefined || known.resourceVersion !== resourceVersion || resourceVersion === "")
      this.#put(namespace, name, { value: project(), resourceVersion });
  }

  /** From a watch: an event that is not newer than what is known of the object is one too many, and changes nothing. */
  changed({ namespace = "", name, resourceVersion = "" }: ObjectMeta, project: () => T): void {
    const known = this.#byNamespace.get(namespace)?.get(name)?.resourceVersion;
    const last = known ?? this.#tombstones.get(objectKey(namespace, name));
    if (last !== undefined && (compareResourceVersions(resourceVersion, last) ?? 1) <= 0) return;
    this.#put(namespace, name, { value: project(), resourceVersion });
  }

  /** From a watch: gone, unless what is known is newer. */
  deleted({ namespace = "", name, resourceVersion = "" }: ObjectMeta): void {
    const known = this.#byNamespace.get(namespace)?.get(name);
    if (known && (compareResourceVersions(resourceVersion, known.resourceVersion) ?? 1) < 0) return;
    const key = objectKey(namespace, name);
    this.#tombstones.delete(key);
    this.#tombstones.set(key, resourceVersion);
    for (const oldest of this.#tombstones.keys()) {
      if (this.#tombstones.size <= tombstonesMax) break;
      this.#tombstones.delete(oldest);
    }
    this.#remove(namespace, name);
  }

  /** The end of a list of `namespace` (undefined: of all): what it did not name is gone. */
  keepOnly(seen: ReadonlySet<string>, namespace: string | undefined): void {
    this.#tombstones.clear();
    for (const [group, entries] of [...this.#byNamespace]) {
      if (namespace !== undefined && group !== namespace) continue;
      for (const name of [...entries.keys()]) if (!seen.has(objectKey(group, name))) this.#remove(group, name);
    }
  }

  #put(namespace: string, name: string, entry: Entry<T>): void {
    let group = this.#byNamespace.get(namespace);
    if (group === undefined) {
      group = new Map();
      this.#byNamespace.set(namespace, group);
    }
    const previous = group.get(name);
    group.set(name, entry);
    if (previous === undefined) this.#size += 1;
    if (previous === undefined || !this.#options.isSame(previous.value, entry.value))
      this.#options.onChange(previous?.value, entry.value, objectKey(namespace, name));
  }

  #remove(namespace: string, name: string): void {
    const group = this.#byNamespace.get(namespace);
    const previous = group?.get(name);
    if (group === undefined || previous === undefined) return;
    group.delete(name);
    if (group.size === 0) this.#byNamespace.delete(namespace);
    this.#size -= 1;
    this.#options.onChange(previous.value, undefined, objectKey(namespace, name));
  }
}
