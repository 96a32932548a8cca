/** What users do with kubectl, typed. */
import { clusterEnv } from "./cluster.ts";
import { CommandFailed, type CommandOptions, runCommand } from "./command.ts";

/** Any object of the API. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [member: string]: unknown;
}

/** The part that all objects share. */
export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [member: string]: unknown;
}

/** The parts of a pod that tests look at. */
export interface Pod extends KubeObject {
  readonly metadata: ObjectMeta & { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly containers: readonly PodContainer[];
    readonly initContainers?: readonly PodContainer[];
    readonly [member: string]: unknown;
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/** A container as asked for. */
export interface PodContainer {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly [member: string]: unknown;
}

/** A container as it runs. Times are RFC 3339, whole seconds. */
export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly state: {
    readonly running?: { readonly startedAt: string };
    readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly startedAt: string };
    readonly waiting?: { readonly reason: string; readonly message?: string };
  };
}

/** Runs kubectl; answers its standard output. Throws CommandFailed. */
export const kubectl = async (args: readonly string[], options: CommandOptions = {}): Promise<string> =>
  await runCommand("kubectl", args, { ...options, env: { ...clusterEnv, ...options.env } });

const asText = (objects: KubeObject | readonly KubeObject[] | string): string => {
  if (typeof objects === "string") return objects;
  const list = Array.isArray(objects) ? (objects as readonly KubeObject[]) : [objects as KubeObject]; // isArray forgets readonly
  return list.map((each) => JSON.stringify(each)).join("\n---\n");
};

const inNamespace = (namespace: string | undefined): string[] => (namespace === undefined ? [] : ["-n", namespace]);

/** `kubectl apply -f -` of objects or of YAML text; answers its output, with the warnings of admission. */
export const apply = async (
  objects: KubeObject | readonly KubeObject[] | string,
  namespace?: string,
): Promise<string> => await kubectl(["apply", ...inNamespace(namespace), "-f", "-"], { input: asText(objects) });

/** `kubectl create` of one object; answers it as the API server stored it. Throws CommandFailed. */
export const create = async <T extends KubeObject = KubeObject>(object: KubeObject, namespace?: string): Promise<T> =>
  JSON.parse(
    await kubectl(["create", ...inNamespace(namespace), "-f", "-", "-o", "json"], { input: asText(object) }),
  ) as T; // the API server checks objects against their schema

/** The message with which creating is refused. Throws when it is not. */
export const refusal = async (object: KubeObject | string, namespace?: string): Promise<string> => {
  try {
    await kubectl(["create", ...inNamespace(namespace), "-f", "-"], { input: asText(object) });
  } catch (fault) {
    if (fault instanceof CommandFailed) return fault.stderr;
    throw fault;
  }
  throw new Error("it was accepted");
};

/** One object; undefined: there is none. */
export const get = async <T extends KubeObject = KubeObject>(
  resource: string,
  name: string,
  namespace?: string,
): Promise<T | undefined> => {
  const text = await kubectl(["get", resource, name, ...inNamespace(namespace), "--ignore-not-found", "-o", "json"]);
  return text === "" ? undefined : (JSON.parse(text) as T); // the API server checks objects against their schema
};

/** All objects of a kind in a namespace, or with `--all-namespaces` in `args`. */
export const list = async <T extends KubeObject = KubeObject>(
  resource: string,
  namespace?: string,
  args: readonly string[] = [],
): Promise<readonly T[]> => {
  const text = await kubectl(["get", resource, ...inNamespace(namespace), ...args, "-o", "json"]);
  return (JSON.parse(text) as { items: T[] }).items; // as above
};

/** Deletes without complaint about what is not there. `args` such as `["pod/a", "--wait=false"]`. */
export const remove = async (args: readonly string[], namespace?: string): Promise<void> => {
  await kubectl(["delete", ...inNamespace(namespace), "--ignore-not-found", ...args]);
};

/** Runs a command in a container; answers its standard output. Throws CommandFailed with what it wrote to standard error. */
export const exec = async (
  target: { readonly namespace: string; readonly pod: string; readonly container?: string },
  command: readonly string[],
  options: CommandOptions = {},
): Promise<string> =>
  await kubectl(
    [
      ...["exec", "-n", target.namespace, target.pod, ...(target.container ? ["-c", target.container] : [])],
      ...[...(options.input === undefined ? [] : ["-i"]), "--", ...command],
    ],
    options,
  );

/** Log lines of a container, oldest first. `previous`: of the container before its last restart. */
export const logs = async (
  target: { readonly namespace: string; readonly pod: string; readonly container?: string },
  options: { readonly previous?: boolean; readonly tail?: number } = {},
): Promise<string[]> => {
  const text = await kubectl([
    ...["logs", "-n", target.namespace, target.pod, ...(target.container ? ["-c", target.container] : [])],
    ...[...(options.previous ? ["--previous"] : []), `--tail=${options.tail ?? -1}`],
  ]);
  return text.split("\n").filter((line) => line !== "");
};

/** Waits for a condition: `await waitFor("deployment/app", "condition=Available", namespace)`. Throws CommandFailed after `timeoutMs`. */
export const waitFor = async (
  object: string,
  condition: string,
  namespace: string,
  timeoutMs = 120_000,
): Promise<void> => {
  await kubectl(["wait", object, `--for=${condition}`, "-n", namespace, `--timeout=${Math.ceil(timeoutMs / 1000)}s`], {
    timeoutMs: timeoutMs + 10_000,
  });
};

/** Pods with a label that are not on their way out, in the order of their names. */
export const podsOf = async (selector: string, namespace: string): Promise<readonly Pod[]> =>
  (await list<Pod>("pods", namespace, ["-l", selector])).filter((pod) => !pod.metadata["deletionTimestamp"]);
