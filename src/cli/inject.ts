/** `sidegate inject`: what the webhook does to pods, done to files. Everything else in them stays as it is, byte for byte. */
import { marks } from "../api/annotations.ts";
import { inject } from "../inject/inject.ts";
import { type InjectionSettings, injectionSettingsSchema } from "../inject/settings.ts";
import { parseDocuments, parseTrees, type SourceFile } from "../resources/document.ts";
import { readSource } from "./files.ts";
import { type FoundPod, podsIn, valueAt, withValueAt } from "./inject/templates.ts";
import { applyEdits, EditFault, editsOf, type TextEdit } from "./inject/yaml-edit.ts";
import { parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const injectUsage = `sidegate inject -f FILE|- [options]      manifests with the sidecar in every annotated pod, on stdout; exit code 1 and no output when one is refused
  -f, --file FILE          Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs and Lists; - reads stdin
      --image IMAGE        the sidecar's image
      --settings FILE      operator.json of the cluster, instead of the defaults: its member "injection" is used
  -n, --namespace NAME     for what names no namespace itself (default)`;

/** What became of a file. */
export interface InjectedFile {
  readonly text: string;
  /** `FILE:LINE: SENTENCE`; with any of them the text is not to be used. */
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** Injects all files; prints them on stdout, and faults and warnings on stderr. Answers the exit code. Throws UsageFault. */
export function injectFiles(args: readonly string[]): number {
  const { values } = parseOptions({
    args: [...args],
    options: {
      file: { type: "string", short: "f", multiple: true },
      image: { type: "string" },
      settings: { type: "string" },
      namespace: { type: "string", short: "n", default: "default" },
    },
  });
  if (!values.file) throw new UsageFault("name at least one file with -f; - reads stdin");
  const settings = settingsOf(values.settings, values.image);
  const files = values.file.map((path) => injectFile(readSource(path), { namespace: values.namespace, settings }));
  const faults = files.flatMap((file) => file.faults);
  for (const line of [...files.flatMap((file) => file.warnings.map((text) => `${text} (warning)`)), ...faults])
    process.stderr.write(`${line}\n`);
  if (faults.length > 0) return 1;
  process.stdout.write(joined(files.map(({ text }) => text)));
  return 0;
}

/** One stream of documents: what does not begin with a separator gets one. */
const joined = ([first = "", ...rest]: readonly string[]): string =>
  rest.reduce((all, text) => {
    const lineBreak = all === "" || all.endsWith("\n") ? "" : "\n";
    return `${all}${lineBreak}${/^---\s/.test(text) ? "" : "---\n"}${text}`;
  }, first);

/** What is written while a file is looked through. */
interface Findings {
  readonly edits: TextEdit[];
  readonly faults: string[];
  readonly warnings: string[];
}

type Context = { readonly namespace: string; readonly settings: InjectionSettings };

/** One file; `namespace` is for objects that name none. Never throws for its contents. */
export const injectFile = (file: SourceFile, context: Context): InjectedFile => {
  const { documents, faults: broken } = parseDocuments(file);
  const faults = broken.map(({ line, message }) => `${file.path}:${line}: ${message}`);
  if (faults.length > 0) return { text: file.text, faults, warnings: [] };
  const trees = treesOf(file.text);
  const findings: Findings = { edits: [], faults, warnings: [] };
  const editing = { text: file.text, indentsLists: indentsLists(file.text) };
  const expected = documents.map((document, index) =>
    podsIn(document.value).reduce((value, found) => {
      const say = (list: string[], path: FoundPod["path"], sentence: string): void => {
        list.push(
          `${file.path}:${document.locate(path).line}: ${`${found.kind} ${found.name}`.trimEnd()}: ${sentence}`,
        );
      };
      const pod = injectedPod(value, found, context, findings, say);
      if (pod === undefined) return value;
      try {
        findings.edits.push(...editsOf(editing, trees[index]?.getIn(found.path, true), found.pod, pod));
      } catch (fault) {
        if (!(fault instanceof EditFault)) throw fault;
        say(faults, found.path, `cannot be changed in place: ${fault.message}; write it out`);
      }
      return withValueAt(value, found.path, pod);
    }, document.value),
  );
  const { warnings } = findings;
  if (faults.length > 0) return { text: file.text, faults, warnings };
  const text = applyEdits(file.text, findings.edits);
  // Anchors may carry a change to places that nobody meant, so the result is read again.
  if (isSame(treesOf(text), expected)) return { text, faults, warnings };
  const fault = `${file.path}:1: cannot be changed in place: a value is used in more than one place (an anchor); write it out`;
  return { text: file.text, faults: [fault], warnings };
};

/** The pod with its sidecar; undefined: it stays as it is. */
const injectedPod = (
  document: unknown,
  found: FoundPod,
  context: Context,
  { faults, warnings }: Findings,
  say: (list: string[], path: FoundPod["path"], sentence: string) => void,
): unknown => {
  const misplaced = [...found.objectPath, "metadata", "annotations", marks.inject];
  if (found.path.length > found.objectPath.length && valueAt(document, misplaced) !== undefined)
    say(warnings, misplaced, `${marks.inject} has no effect here; it belongs to the annotations of the pod template`);
  const outcome = inject(found.pod, { ...context, namespace: found.namespace ?? context.namespace });
  if (outcome.kind === "refused") say(faults, [...found.path, ...outcome.path], outcome.message);
  if (outcome.kind !== "injected") return undefined;
  for (const warning of outcome.warnings) say(warnings, found.path, warning);
  return outcome.pod;
};

/** The documents that hold something, as trees with their places in the text. */
const treesOf = (text: string) => parseTrees(text).filter((tree) => (tree.toJS() ?? undefined) !== undefined);

/** Whether lists stand deeper than their member in this file; kubectl writes them so that they do not. */
const indentsLists = (text: string): boolean => !/^( *)[A-Za-z]+:[ \t]*\r?\n\1- /m.test(text);

const isSame = (trees: ReturnType<typeof treesOf>, expected: readonly unknown[]): boolean =>
  JSON.stringify(sorted(trees.map((tree): unknown => tree.toJS()))) === JSON.stringify(sorted(expected));

/** Members in the order of their names. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
};

const settingsOf = (path: string | undefined, image: string | undefined): InjectionSettings => {
  if (path === undefined && image === undefined)
    throw new UsageFault("name the sidecar's image with --image, or the operator's settings with --settings");
  const given = path === undefined ? {} : injectionIn(path);
  const result = injectionSettingsSchema.safeParse({ ...given, ...(image !== undefined && { image }) });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UsageFault(`${path ?? "--image"}: injection.${issue?.path.join(".")}: ${issue?.message}`);
};

const injectionIn = (path: string): object => {
  let value: unknown;
  try {
    value = JSON.parse(readSource(path).text);
  } catch (fault) {
    if (fault instanceof UsageFault) throw fault;
    throw new UsageFault(`${path}: not JSON; take it from the operator's ConfigMap, key operator.json`);
  }
  const injection = valueAt(value, ["injection"]);
  if (typeof injection === "object" && injection !== null) return injection;
  throw new UsageFault(`${path}: has no member "injection"; take it from the operator's ConfigMap, key operator.json`);
};
