/** Writes and reads sidecar configs: canonical bytes out, and every fault with its path when they do not parse. */
import { createHash } from "node:crypto";
import type * as z from "zod";
import { canonicalJson } from "./canonical.ts";
import { contractVersion, type SidecarConfig, sidecarConfigSchema } from "./contract.ts";
import { fromVersion1, sidecarConfigSchemaV1, toVersion1 } from "./contract-v1.ts";
import { fieldPath } from "./field-path.ts";

/** Versions that this build reads: the current one and the one before it. */
export const readableVersions: readonly number[] = [contractVersion, contractVersion - 1].filter(
  (version) => version >= 1,
);

/** One thing wrong with a config. `path` is as `route.rules[0].name`, empty for the whole. No value stands in it. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
}

/** A config that cannot be used, with everything that is wrong with it. Its message holds no value of the config. */
export class ConfigFault extends Error {
  override readonly name = "ConfigFault";
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(
      `the sidecar config is refused: ${problems.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; ")}`,
    );
    this.problems = problems;
  }
}

/** The config as canonical JSON with a line end. Reads its own bytes back first: throws ConfigFault before anybody gets bytes that no sidecar takes. */
export const encodeConfig = (config: SidecarConfig): string => checkedText(config);

const checkedText = (config: object): string => {
  const text = `${canonicalJson(config)}\n`;
  decodeConfig(text);
  return text;
};

/** Encoders by contract version: the current one, and the one before it for sidecars that have not been restarted since. */
const encoders: ReadonlyMap<number, (config: SidecarConfig) => string> = new Map([
  [contractVersion, encodeConfig],
  [1, (config) => checkedText(toVersion1(config))],
]);

/** The config in a given contract version; undefined where this build has no encoder for it. Throws ConfigFault as `encodeConfig`. */
export const encodeConfigAs = (config: SidecarConfig, version: number): string | undefined =>
  encoders.get(version)?.(config);

/** `sha256:` and the hex digest of the text's UTF-8 bytes. */
export const digestOf = (text: string): string => `sha256:${createHash("sha256").update(text, "utf8").digest("hex")}`;

/** The config in `text`, of any readable version, as the current one. Throws ConfigFault with every fault at once. */
export const decodeConfig = (text: string): SidecarConfig => decodeVersioned(text).config;

/** The same, with the version that the text is of. */
export const decodeVersioned = (text: string): { readonly config: SidecarConfig; readonly contract: number } => {
  const value = parseJson(text);
  const contract = readableVersion(value);
  const config =
    contract === 1 ? fromVersion1(parsed(sidecarConfigSchemaV1, value)) : parsed(sidecarConfigSchema, value);
  const dangling = danglingRefs(config);
  if (dangling.length > 0) throw new ConfigFault(dangling);
  return { config, contract };
};

const parsed = <Output>(schema: z.ZodType<Output>, value: unknown): Output => {
  const result = schema.safeParse(value);
  if (!result.success) throw new ConfigFault(result.error.issues.flatMap(problemsOf));
  return result.data;
};

/** File name of the config in one contract version. */
export const configFileName = (version: number): string => `config.v${version}.json`;

/** Of the files in a directory the config with the newest version that this build reads; undefined when there is none. */
export const newestReadable = (fileNames: readonly string[]): string | undefined =>
  [...readableVersions]
    .sort((a, b) => b - a)
    .map(configFileName)
    .find((name) => fileNames.includes(name));

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds credentials.
    throw new ConfigFault([
      { path: "", message: `not JSON (${Buffer.byteLength(text)} bytes); was it written whole?` },
    ]);
  }
};

const readableVersion = (value: unknown): number => {
  const version =
    typeof value === "object" && value !== null && "contractVersion" in value ? value.contractVersion : undefined;
  if (typeof version !== "number" || !Number.isInteger(version)) {
    throw new ConfigFault([{ path: "contractVersion", message: "must be an integer" }]);
  }
  if (readableVersions.includes(version)) return version;
  const reads = readableVersions.join(" and ");
  const remedy =
    version > contractVersion
      ? "upgrade the sidecar: restart the pod, so that it is injected with the current image"
      : "upgrade the operator, so that it writes a newer one";
  throw new ConfigFault([
    { path: "contractVersion", message: `is ${version}, this sidecar reads ${reads}; ${remedy}` },
  ]);
};

/** References inside the config that lead nowhere: `compile` never writes them. */
const danglingRefs = ({ route }: SidecarConfig): ConfigProblem[] => {
  if (!route) return [];
  const backends = new Set(route.backends.map(({ name }) => name));
  return route.rules.flatMap((rule, ruleIndex) =>
    rule.backendRefs.flatMap((ref, refIndex) =>
      backends.has(ref.name)
        ? []
        : [
            {
              path: `route.rules[${ruleIndex}].backendRefs[${refIndex}].name`,
              message: "names no backend of this config",
            },
          ],
    ),
  );
};

/** What a member is called in any version of the contract; any other text may be a value that went astray, so it is not repeated. */
const memberName = /^[A-Za-z]{1,32}$/;

const problemsOf = (issue: z.core.$ZodIssue): ConfigProblem[] => {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) =>
      memberName.test(key)
        ? { path: fieldPath([...issue.path, key]), message: "is unknown" }
        : { path: fieldPath(issue.path), message: "has a member that is unknown" },
    );
  return [{ path: fieldPath(issue.path), message: issue.message }];
};
