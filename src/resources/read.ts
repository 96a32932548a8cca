/** Resources from files: AIRoute, AIQuota and Secret, every fault with its place and field. */
import { type AIQuota, aiquotaSchema } from "../api/aiquota.ts";
import { type AIRoute, airouteSchema } from "../api/airoute.ts";
import { apiGroup, apiVersion } from "../api/object.ts";
import { parseWith, type Schema } from "../api/parse.ts";
import { type SecretResource, secretFromManifest, secretManifestSchema } from "../api/secret.ts";
import { suggest } from "../api/suggest.ts";
import { fieldPath } from "../config/field-path.ts";
import { type ParsedDocument, type Position, parseDocuments, type SourceFile } from "./document.ts";

/** The namespace of a resource that names none. */
const namespaceDefault = "default";
const kinds = ["AIRoute", "AIQuota"] as const;

/** One fault: where it stands, which field, and what to write instead. No value of a Secret stands in it. */
export interface Fault extends Position {
  /** `spec.rules[0].name`; empty for a whole file or document. */
  readonly path: string;
  readonly message: string;
}

/** What stood in the files. */
export interface ReadResources {
  readonly routes: readonly AIRoute[];
  readonly quotas: readonly AIQuota[];
  readonly secrets: readonly SecretResource[];
  /** What must be mended. A resource with a fault is not among the above. */
  readonly faults: readonly Fault[];
  /** What was passed over, such as a Deployment. */
  readonly notes: readonly Fault[];
  /** A fault about a field of a resource that was read, with its place in the files; undefined for a resource that was not. */
  readonly faultAt: (resource: ResourceRef, path: readonly (string | number)[], message: string) => Fault | undefined;
}

/** A resource by kind and name. */
export interface ResourceRef {
  readonly kind: "AIRoute" | "AIQuota" | "Secret";
  readonly namespace: string;
  readonly name: string;
}

/** One resource inside a document; `base` is its path in there, for the items of a List. */
interface Item {
  readonly value: Readonly<Record<string, unknown>>;
  readonly document: ParsedDocument;
  readonly base: readonly (string | number)[];
}

/** Reads every resource of the files. Never throws on what stands in them. */
export const readResources = (files: readonly SourceFile[]): ReadResources => {
  const reader = new Reader();
  for (const file of files) {
    const { documents, faults } = parseDocuments(file);
    reader.faults.push(...faults.map((fault) => ({ ...fault, path: "" })));
    for (const document of documents) for (const item of reader.itemsOf(document)) reader.read(item);
  }
  return reader;
};

class Reader implements ReadResources {
  readonly routes: AIRoute[] = [];
  readonly quotas: AIQuota[] = [];
  readonly secrets: SecretResource[] = [];
  readonly faults: Fault[] = [];
  readonly notes: Fault[] = [];
  readonly #items = new Map<string, Item>();

  faultAt(resource: ResourceRef, path: readonly (string | number)[], message: string): Fault | undefined {
    const item = this.#items.get(keyOf(resource));
    return item && faultIn(item, path, message);
  }

  /** The document's resource, or the resources of its List. */
  itemsOf(document: ParsedDocument): readonly Item[] {
    const { value } = document;
    if (!isObject(value)) {
      this.faults.push({
        ...document.locate([]),
        path: "",
        message: "must be an object with apiVersion, kind and metadata",
      });
      return [];
    }
    const isList = value.kind === "List" || kinds.some((kind) => value.kind === `${kind}List`);
    if (!isList) return [{ value, document, base: [] }];
    if (!Array.isArray(value.items)) {
      this.faults.push({ ...document.locate(["items"]), path: "items", message: "must be a list of resources" });
      return [];
    }
    return value.items.flatMap((item: unknown, index): Item[] => {
      const base = ["items", index];
      if (isObject(item)) return [{ value: item, document, base }];
      this.faults.push({
        ...document.locate(base),
        path: fieldPath(base),
        message: "must be an object with apiVersion, kind and metadata",
      });
      return [];
    });
  }

  read(item: Item): void {
    const { apiVersion: version, kind } = item.value;
    if (typeof version !== "string" || typeof kind !== "string") {
      const missing = typeof version === "string" ? "kind" : "apiVersion";
      this.faults.push(faultIn(item, [missing], `is required, such as ${missing === "kind" ? "AIRoute" : apiVersion}`));
      return;
    }
    const isOurs = version === apiGroup || version.startsWith(`${apiGroup}/`);
    if (isOurs || kinds.some((known) => known === kind)) this.#readOurs(item, { version, kind });
    else if (version === "v1" && kind === "Secret")
      this.#keep(item, "Secret", secretManifestSchema, (manifest) => this.secrets.push(secretFromManifest(manifest)));
    else
      this.notes.push(
        faultIn(item, ["kind"], `${kind} (${version}) is passed over: only AIRoute, AIQuota and Secret are read`),
      );
  }

  #readOurs(item: Item, { version, kind }: { version: string; kind: string }): void {
    if (version !== apiVersion) {
      this.faults.push(faultIn(item, ["apiVersion"], `must be ${apiVersion} for kind ${kind}`));
    } else if (kind === "AIRoute") {
      this.#keep(item, kind, airouteSchema, (route) => this.routes.push(route));
    } else if (kind === "AIQuota") {
      this.#keep(item, kind, aiquotaSchema, (quota) => this.quotas.push(quota));
    } else {
      const near = suggest(kind, kinds);
      this.faults.push(
        faultIn(
          item,
          ["kind"],
          near ? `is unknown; did you mean ${near}?` : `is unknown; known are ${kinds.join(", ")}`,
        ),
      );
    }
  }

  /** Parses the item and keeps it, unless it has faults or another of its name was read before. */
  #keep<Resource extends { metadata: { namespace: string; name: string } }>(
    item: Item,
    kind: ResourceRef["kind"],
    schema: Schema<Resource>,
    keep: (resource: Resource) => void,
  ): void {
    const parsed = parseWith(schema, withNamespace(item.value));
    if ("faults" in parsed) {
      this.faults.push(...parsed.faults.map(({ path, message, isKey }) => faultIn(item, path, message, isKey)));
      return;
    }
    const { namespace, name } = parsed.value.metadata;
    const key = keyOf({ kind, namespace, name });
    const first = this.#items.get(key);
    if (first) {
      const { file, line } = first.document.locate(first.base);
      this.faults.push(
        faultIn(item, ["metadata", "name"], `${kind} ${namespace}/${name} stands already at ${file}:${line}`),
      );
      return;
    }
    this.#items.set(key, item);
    keep(parsed.value);
  }
}

const faultIn = (item: Item, path: readonly (string | number)[], message: string, isKey = false): Fault => {
  const full = [...item.base, ...path];
  return { ...item.document.locate(full, isKey), path: fieldPath(full), message };
};

const keyOf = ({ kind, namespace, name }: ResourceRef): string => `${kind}/${namespace}/${name}`;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const withNamespace = (value: Item["value"]): unknown => {
  const { metadata } = value;
  return isObject(metadata) && metadata.namespace === undefined
    ? { ...value, metadata: { ...metadata, namespace: namespaceDefault } }
    : value;
};
