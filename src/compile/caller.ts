/** From `spec.identity` to what a sidecar asks of its callers. What cannot be used is left out, and then lets nobody in. */
import type { IdentitySpec, IssuerSpec } from "../api/airoute-identity.ts";
import { apiKeyIdPattern, parseApiKeyEntry } from "../api/api-key.ts";
import { parseClaimPath } from "../api/claim-path.ts";
import { durationMs } from "../api/duration.ts";
import type { SecretResource } from "../api/secret.ts";
import { type ApiKeyConfig, apiKeysMax, type CallerConfig, type IssuerConfig } from "../config/caller.ts";
import { permittedSecret, refFault, type SecretInput, type SpecFault } from "./secret.ts";

/** What callers must send, and what stands against it. `caller` is absent where the pod's service account is all that is asked for. */
export interface CompiledCaller {
  readonly caller?: CallerConfig;
  readonly faults: readonly SpecFault[];
}

/** Never throws. Without a usable issuer or key the route asks all the same, so everybody is refused. */
export const compileCaller = (identity: IdentitySpec | undefined, input: SecretInput): CompiledCaller => {
  if (identity?.require === "Bearer") return compileIssuers(identity.issuers);
  if (identity?.require === "APIKey") return compileKeys(identity.apiKeys?.secretRef.name ?? "", input);
  return { faults: [] };
};

const compileIssuers = (specs: readonly IssuerSpec[]): CompiledCaller => {
  const issuers: IssuerConfig[] = [];
  const faults: SpecFault[] = [];
  specs.forEach((spec, index) => {
    const field = (["issuer", "jwksURL"] as const).find((name) => !isUrl(spec[name]));
    if (field === undefined) issuers.push(compileIssuer(spec));
    else {
      const message = `${spec[field]} is not a URL that can be called, so its tokens are refused`;
      const path = ["identity", "issuers", index, field];
      faults.push({ ...refFault("UnsupportedValue", message, path), type: "Accepted" });
    }
  });
  return { caller: { require: "Bearer", issuers }, faults };
};

/** As the URL standard has it: the schema's pattern lets through a few that it refuses, such as https://[::::]. */
const isUrl = (text: string | undefined): boolean => text === undefined || URL.canParse(text);

const compileIssuer = (spec: IssuerSpec): IssuerConfig => {
  const { type, issuer = "", jwksURL, audiences, algorithms, prefix = "", clockTolerance, insecure, claims } = spec;
  const shared = { audiences, clockToleranceMs: durationMs(clockTolerance), claims: compileClaims(claims) };
  if (type === "Cluster") return { type, ...shared };
  return {
    type,
    issuer, // compared with `iss` character by character, so it is not normalised
    ...(jwksURL !== undefined && { jwksURL }),
    ...(insecure && { isInsecure: true as const }),
    algorithms,
    prefix,
    ...shared,
  };
};

const compileClaims = ({ user, tenant, roles, groups }: IssuerSpec["claims"]): IssuerConfig["claims"] => ({
  user: claimPath(user),
  ...(tenant !== undefined && { tenant: claimPath(tenant) }),
  ...(roles !== undefined && { roles: claimPath(roles) }),
  ...(groups !== undefined && { groups: claimPath(groups) }),
});

/** The schema has parsed it before; a path that is none would be a claim that no token has. */
const claimPath = (text: string): string[] => [...(parseClaimPath(text) ?? [text])];

const keysPath = ["identity", "apiKeys", "secretRef", "name"];

const compileKeys = (name: string, input: SecretInput): CompiledCaller => {
  const found = permittedSecret(name, keysPath, input);
  if ("fault" in found) {
    const message = `${found.fault.message}; until it can be used everybody is refused`;
    return { caller: { require: "APIKey", keys: [] }, faults: [{ ...found.fault, message }] };
  }
  return keysOf(found.secret);
};

/** Entries by id, so that the same Secret gives the same bytes. */
const keysOf = ({ name, values }: SecretResource): CompiledCaller => {
  const keys: ApiKeyConfig[] = [];
  const faults: SpecFault[] = [];
  const invalid = (message: string) => faults.push(refFault("SecretInvalid", message, keysPath));
  const ids = [...values.keys()].filter((id) => apiKeyIdPattern.test(id)).sort();
  // Their names are not shown: somebody may have taken a key for its id.
  const others = values.size - ids.length;
  if (others > 0)
    invalid(
      `Secret ${name} has ${others} ${others === 1 ? "entry whose name is" : "entries whose names are"} no id of an API key (lower-case letters, digits and '-', at most 63)`,
    );
  for (const id of ids.slice(0, apiKeysMax)) {
    const parsed = parseApiKeyEntry(values.get(id)?.reveal() ?? "");
    if ("fault" in parsed) invalid(`API key ${id} of Secret ${name} is left out: ${parsed.fault}`);
    else {
      const { notBefore, expires, tenant, ...entry } = parsed.entry;
      keys.push({
        id,
        ...entry,
        ...(tenant !== undefined && { tenant }),
        ...(notBefore !== undefined && { notBeforeMs: momentMs(notBefore) }),
        ...(expires !== undefined && { expiresMs: momentMs(expires) }),
      });
    }
  }
  const left = ids.length - apiKeysMax;
  if (left > 0)
    invalid(
      `Secret ${name} has ${ids.length} API keys, ${left} more than the ${apiKeysMax} that a route takes: the last ${left} by id are left out; revoke those that have expired`,
    );
  if (values.size === 0) {
    const message = `Secret ${name} holds no API key yet, so everybody is refused: sidegate key create makes one`;
    faults.push({ ...refFault("SecretInvalid", message, keysPath), isPending: true });
  }
  return { caller: { require: "APIKey", keys }, faults };
};

/** Milliseconds since the epoch; a moment before that is the epoch itself. */
const momentMs = (text: string): number => Math.max(0, Date.parse(text));
