/** The chart as its tests use it: helm, values, and what a rendering holds. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../src/kube/port.ts";
import { binaryPath } from "./processes.ts";

/** Folder of the chart. */
export const chartFolder = join(import.meta.dirname, "../../charts/sidegate");
/** Where the tests pretend to install it. */
export const releaseNamespace = "sidegate-system";

const goldens = join(import.meta.dirname, "../golden/chart");
const execute = promisify(execFile);
/** Version that a rendering without a cluster is for: the oldest that the chart admits. */
const kubeVersion = "1.30.0";

/** Values by the name of the golden that they render: NAME.values.yaml beside NAME.yaml. */
export const goldenNames = ["default", "external", "everything", "namespaced"] as const;
/** File of a golden. */
export const goldenFile = (name: string, suffix = ".yaml"): string => join(goldens, `${name}${suffix}`);

/** Runs helm; answers what it prints. Throws with its complaint. */
export const helm = async (...args: readonly string[]): Promise<string> => {
  const { stdout } = await execute(binaryPath("helm"), [...args], { maxBuffer: 16 * 1024 * 1024 });
  return stdout;
};

/** The chart's text for these arguments of helm, such as `--set`, `a=b`. */
export const template = (...args: readonly string[]): Promise<string> =>
  helm("template", "sidegate", chartFolder, "-n", releaseNamespace, "--kube-version", kubeVersion, ...args);

/** The chart with the values of a golden. */
export const renderGolden = (name: string, ...args: readonly string[]): Promise<string> =>
  template("-f", goldenFile(name, ".values.yaml"), ...args);

/** `helm lint --strict`; throws with its complaint. */
export const lint = (...args: readonly string[]): Promise<string> =>
  helm("lint", "--strict", "--kube-version", kubeVersion, chartFolder, ...args);

/** helm's complaint about these arguments; "": it has none. */
export const complaint = async (...args: readonly string[]): Promise<string> =>
  template(...args).then(
    () => "",
    (fault: unknown) => String(fault),
  );

/** The objects of a rendering, read as helm reads it: by YAML 1.1. Throws where it is no YAML. */
export const objectsOf = (text: string): readonly KubeObject[] =>
  parseAllDocuments(text, { version: "1.1" }).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0];
    const value: unknown = document.toJS();
    return value === null ? [] : [value as KubeObject]; // helm renders objects
  });

/** The object of a kind and name. Throws where there is none. */
export const objectIn = (objects: readonly KubeObject[], kind: string, name: string): KubeObject => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name} in the rendering`);
  return found;
};

/** The same text in every run, without blanks at the ends of lines: the password of the embedded Redis is random where no cluster is asked. */
export const withoutPassword = (text: string): string =>
  text
    .replaceAll(/(?<=password: |sidegate-operator:)[A-Za-z0-9]{40}/g, "PASSWORD")
    .replaceAll(/(?<=sidegate-operator on #)[0-9a-f]{64}/g, "SHA256")
    .replaceAll(/ +$/gm, "");
