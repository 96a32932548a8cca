/** A user's application: a container with Node and the official OpenAI SDK, as Pod, Deployment or Job. */
import { images } from "./cluster.ts";
import { exec, type KubeObject } from "./kubectl.ts";
import { restrictedContainer, restrictedPod } from "./pod-security.ts";

/** What a test wants of an application. */
export interface ApplicationOptions {
  readonly name: string;
  readonly namespace: string;
  /** An ES module; it may import `openai`. Absent: it waits, for `runInApp`. */
  readonly script?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Pods of a Deployment; default 1. */
  readonly replicas?: number;
  /** More members of the pod's spec, such as volumes, hostAliases or initContainers. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** More members of the container, such as volumeMounts. */
  readonly container?: Readonly<Record<string, unknown>>;
}

/** Node as the first process ignores SIGTERM unless it is told. */
const leaveOnTerm = "process.on('SIGTERM', () => process.exit(0));";

const podTemplate = (options: ApplicationOptions, script: string) => ({
  metadata: { labels: { app: options.name, ...options.labels }, annotations: { ...options.annotations } },
  spec: {
    ...restrictedPod,
    ...(options.serviceAccount === undefined ? {} : { serviceAccountName: options.serviceAccount }),
    containers: [
      {
        name: "app",
        image: images.app,
        command: ["node", "--input-type=module", "-e", script],
        env: Object.entries(options.env ?? {}).map(([name, value]) => ({ name, value })),
        ...restrictedContainer,
        ...options.container,
      },
    ],
    ...options.spec,
  },
});

const serving = (options: ApplicationOptions): string =>
  `${leaveOnTerm}\n${options.script ?? "setInterval(() => undefined, 1e9);"}`;

/** A bare pod that restarts when its script ends. */
export const appPod = (options: ApplicationOptions): KubeObject => {
  const { metadata, spec } = podTemplate(options, serving(options));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: options.name, namespace: options.namespace, ...metadata },
    spec,
  };
};

/** A Deployment; its pods carry the label `app: NAME`. */
export const appDeployment = (options: ApplicationOptions): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: options.name, namespace: options.namespace },
  spec: {
    replicas: options.replicas ?? 1,
    selector: { matchLabels: { app: options.name } },
    template: podTemplate(options, serving(options)),
  },
});

/** A Job that runs its script once. */
export const appJob = (options: ApplicationOptions & { readonly script: string }): KubeObject => {
  const template = podTemplate(options, options.script);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: options.name, namespace: options.namespace },
    spec: { backoffLimit: 0, template: { ...template, spec: { restartPolicy: "Never", ...template.spec } } },
  };
};

/**
 * Runs an ES module in a running application and answers what it hands to `done(value)`, as JSON. `client` is an `OpenAI` without any
 * configuration but its environment, made at its first use.
 */
export const runInApp = async <T>(
  target: { readonly namespace: string; readonly pod: string; readonly container?: string },
  script: string,
): Promise<T> => {
  const whole = `
import OpenAI from "openai";
let made;
const client = new Proxy({}, { get: (_, name) => Reflect.get((made ??= new OpenAI()), name, made) });
const mark = "sidegate-done:";
const done = (value) => console.log(mark + JSON.stringify(value ?? null));
${script}`;
  const output = await exec({ container: "app", ...target }, ["node", "--input-type=module", "-e", whole]);
  const line = output.split("\n").findLast((each) => each.startsWith("sidegate-done:"));
  if (line === undefined) throw new Error(`the script did not call done(): ${output.slice(-2_000)}`);
  return JSON.parse(line.slice("sidegate-done:".length)) as T; // the test wrote the script
};
