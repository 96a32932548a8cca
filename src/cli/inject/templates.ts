/** Where pods stand in manifests: Pods, and the templates of what makes them. */

/** Path from an object of the kind to its pod or pod template. */
const podPaths: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/** Lists within lists that are followed. */
const depthMax = 8;

/** A pod in a document. */
export interface FoundPod {
  readonly path: readonly (string | number)[];
  /** The object that it is, or whose template it is. */
  readonly kind: string;
  readonly name: string;
  readonly objectPath: readonly (string | number)[];
  /** Absent: the object names none. */
  readonly namespace: string | undefined;
  readonly pod: unknown;
}

/** All pods of a document's value, those in Lists too. */
export const podsIn = (value: unknown, path: readonly (string | number)[] = [], depth = 0): FoundPod[] => {
  const kind = memberOf(value, "kind");
  const items = memberOf(value, "items");
  if (typeof kind !== "string" || depth > depthMax) return [];
  if (kind.endsWith("List") && Array.isArray(items))
    return items.flatMap((item: unknown, index) => podsIn(item, [...path, "items", index], depth + 1));
  const podPath = Object.hasOwn(podPaths, kind) ? podPaths[kind] : undefined;
  const pod = podPath && valueAt(value, podPath);
  if (podPath === undefined || typeof pod !== "object" || pod === null) return [];
  const metadata = memberOf(value, "metadata");
  const namespace = memberOf(metadata, "namespace");
  return [
    {
      path: [...path, ...podPath],
      kind,
      name: String(memberOf(metadata, "name") ?? ""),
      objectPath: path,
      namespace: typeof namespace === "string" && namespace !== "" ? namespace : undefined,
      pod,
    },
  ];
};

/** The value at a path; undefined where there is none. */
export const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((at, part) => memberOf(at, part), value);

/** A copy of `value` in which `replacement` stands at `path`. */
export const withValueAt = (value: unknown, path: readonly (string | number)[], replacement: unknown): unknown => {
  const [part, ...rest] = path;
  if (part === undefined) return replacement;
  const inner = withValueAt(memberOf(value, part), rest, replacement);
  if (Array.isArray(value)) return value.map((item: unknown, index) => (index === part ? inner : item));
  return { ...(value as object), [part]: inner }; // the path was found in it, so it is an object
};

const memberOf = (value: unknown, name: string | number): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string | number, unknown>>)[name] // an object or a list
    : undefined;
