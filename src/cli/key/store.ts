/** Where the entries of API keys are: a Secret of a cluster, or of a file of resources. */

/** Entries to be written, by id; undefined takes one away. */
export type EntryChanges = ReadonlyMap<string, string | undefined>;
/** Entries as they stand, by id. */
export type Entries = ReadonlyMap<string, string>;

/** A Secret of API keys. All methods throw KeyFault where the Secret may not be used, and KubeFault where a cluster refuses. */
export interface KeyStore {
  /** What messages call it: `Secret keys in keys.yaml`. */
  readonly name: string;
  /** Undefined: there is no such Secret. */
  read(): Promise<Entries | undefined>;
  /**
   * Asks for changes to what stands there (undefined: no such Secret, it is then made) and writes them, all or none. Asked again
   * where somebody else has written meanwhile. Answers what else is to be done, a sentence each; mostly nothing.
   */
  change(changesOf: (entries: Entries | undefined) => EntryChanges): Promise<readonly string[]>;
}
