/** The Secret of API keys in a file of resources: changed in place, every other byte of the file stays as it is. */
import { existsSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Document, stringify } from "yaml";
import { credentialLabel } from "../../api/secret.ts";
import { parseDocuments, parseTrees } from "../../resources/document.ts";
import { memberAt, textAt } from "../check/members.ts";
import { readSource } from "../files.ts";
import { applyEdits, EditFault, editsOf } from "../inject/yaml-edit.ts";
import { KeyFault } from "./fault.ts";
import type { Entries, EntryChanges, KeyStore } from "./store.ts";

/** Which Secret: without a namespace the one of that name, whatever namespace it has. */
export interface FileSecretRef {
  readonly name: string;
  readonly namespace: string | undefined;
}

type Members = Readonly<Record<string, unknown>>;

interface Found {
  readonly tree: Document;
  readonly value: unknown;
}

/** The Secret of this name in the file, which is made where it does not exist. */
export const fileKeyStore = (path: string, ref: FileSecretRef): KeyStore => {
  const name = `Secret ${ref.name} in ${path}`;
  return {
    name,
    read: async () => {
      const found = secretIn(textOf(path), path, ref);
      return found && entriesOf(found, name);
    },
    change: async (changesOf) => {
      const text = textOf(path);
      const found = secretIn(text, path, ref);
      const changes = changesOf(found && entriesOf(found, name));
      const next = found ? edited(text, found, changes, name) : appended(text, ref, changes);
      const after = secretIn(next, path, ref);
      // Anchors may carry a change to places that nobody meant, so the result is read again.
      const isAsWanted = after !== undefined && isDeepStrictEqual(entriesOf(after, name), merged(found, changes, name));
      if (!isAsWanted || (found && !isDeepStrictEqual(othersIn(next, path, ref), othersIn(text, path, ref))))
        throw new KeyFault(
          `${name} cannot be changed in place (an anchor, or a form of YAML that is not known): write it out`,
        );
      if (textOf(path) !== text) throw new KeyFault(`${path} was written by somebody else meanwhile: try again`);
      writeWhole(path, next);
      return takenFromPlain(found, changes).map(
        (id) =>
          `${id} stood in stringData, which kubectl apply takes nothing out of: where the file was applied, also run kubectl patch secret ${ref.name} --type=json -p '[{"op":"remove","path":"/data/${id}"}]'`,
      );
    },
  };
};

/** A file that does not exist yet has no text. */
const textOf = (path: string): string => {
  if (path === "-") throw new KeyFault("-f -: keys are written into a file, not into stdin: name the file");
  return existsSync(path) ? readSource(path).text : "";
};

const treesOf = (text: string, path: string): Found[] => {
  const [fault] = parseDocuments({ path, text }).faults;
  if (fault) throw new KeyFault(`${path}:${fault.line}: ${fault.message}`);
  return parseTrees(text).map((tree) => ({ tree, value: tree.toJS() }));
};

const isNamed = (value: unknown, { name, namespace }: FileSecretRef): boolean =>
  memberAt(value, "kind") === "Secret" &&
  memberAt(value, "metadata", "name") === name &&
  (namespace === undefined || (textAt(value, "metadata", "namespace") || "default") === namespace);

const secretIn = (text: string, path: string, ref: FileSecretRef): Found | undefined => {
  const [found, another] = treesOf(text, path).filter(({ value }) => isNamed(value, ref));
  if (another) throw new KeyFault(`${path} holds several Secrets ${ref.name}: say which one with -n NAMESPACE`);
  return found;
};

/** All that is not an entry of this Secret: no change may touch it. */
const othersIn = (text: string, path: string, ref: FileSecretRef): unknown[] =>
  treesOf(text, path).flatMap(({ value }): unknown[] => {
    if (!isNamed(value, ref)) return value === null ? [] : [value];
    const { data: _, stringData: __, ...others } = value as Members; // isNamed has seen that it is an object
    return [others];
  });

const entriesOf = ({ value }: Found, name: string): Entries => {
  if (memberAt(value, "metadata", "labels", credentialLabel) !== "true")
    throw new KeyFault(
      `${name} lacks the label ${credentialLabel}: "true", so no route may use it. If it is meant for API keys, add it to metadata.labels`,
    );
  const texts = Object.entries(memberAt(value, "stringData") ?? {}).map(([id, text]) => [id, String(text)] as const);
  const decoded = Object.entries(memberAt(value, "data") ?? {}).map(
    ([id, text]) => [id, Buffer.from(String(text), "base64").toString("utf8")] as const,
  );
  return new Map([...decoded, ...texts]);
};

const merged = (found: Found | undefined, changes: EntryChanges, name: string): Entries => {
  const entries = new Map(found && entriesOf(found, name));
  for (const [id, text] of changes) {
    if (text === undefined) entries.delete(id);
    else entries.set(id, text);
  }
  return entries;
};

/**
 * An entry stays in the member in which it stands; a new one goes to data, although it could be read in stringData: what is taken out of
 * stringData stays in the cluster when the file is applied, since that member is only written there and never compared.
 */
const edited = (text: string, { tree, value }: Found, changes: EntryChanges, name: string): string => {
  const before = value as Members; // isNamed has seen that it is an object
  const data: Record<string, unknown> = { ...Object(before["data"]) };
  const stringData: Record<string, unknown> = { ...Object(before["stringData"]) };
  for (const [id, entry] of changes) {
    const isPlain = Object.hasOwn(stringData, id);
    delete data[id];
    delete stringData[id];
    if (entry === undefined) continue;
    if (isPlain) stringData[id] = entry;
    else data[id] = encoded(entry);
  }
  const { data: _, stringData: __, ...rest } = before;
  const after = {
    ...rest,
    ...(Object.keys(data).length > 0 && { data }),
    ...(Object.keys(stringData).length > 0 && { stringData }),
  };
  try {
    return applyEdits(text, editsOf({ text, indentsLists: true }, tree.contents, before, after));
  } catch (fault) {
    if (!(fault instanceof EditFault)) throw fault;
    throw new KeyFault(`${name} cannot be changed in place: ${fault.message}; write it out`);
  }
};

const encoded = (text: string): string => Buffer.from(text, "utf8").toString("base64");

/** Ids that are taken out of stringData. */
const takenFromPlain = (found: Found | undefined, changes: EntryChanges): string[] =>
  [...changes].flatMap(([id, entry]) =>
    entry === undefined && memberAt(found?.value, "stringData", id) !== undefined ? [id] : [],
  );

/** The Secret as a further document. */
const appended = (text: string, { name, namespace }: FileSecretRef, changes: EntryChanges): string => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, ...(namespace !== undefined && { namespace }), labels: { [credentialLabel]: "true" } },
    type: "Opaque",
    data: Object.fromEntries(
      [...changes].flatMap(([id, entry]) => (entry === undefined ? [] : [[id, encoded(entry)]])),
    ),
  };
  const lineBreak = text === "" || text.endsWith("\n") ? "" : "\n";
  const separator = text.trim() === "" || /(^|\n)---\s*$/.test(text) ? "" : "---\n";
  return `${text}${lineBreak}${separator}${stringify(secret, { lineWidth: 0, compat: "yaml-1.1" })}`;
};

/** Whoever reads the file meanwhile sees the old one or the new one. A new file is its owner's alone. */
const writeWhole = (path: string, text: string): void => {
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o600;
  const draft = `${target}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, text, { mode, flag: "wx" });
    renameSync(draft, target);
  } catch (fault) {
    rmSync(draft, { force: true });
    throw new KeyFault(`${path} cannot be written: ${fault instanceof Error ? fault.message : String(fault)}`);
  }
};
