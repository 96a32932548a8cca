/** From a backend as users write it to a backend as a sidecar calls it. */
import { azureApiVersion, type BackendSpec, openaiEndpoint } from "../api/airoute-backend.ts";
import type { ConditionReason } from "../api/conditions.ts";
import type { BackendConfig } from "../config/contract.ts";
import type { CredentialConfig } from "../config/credential.ts";
import { type CredentialInput, resolveCredential } from "./credential.ts";

/** What stands against a backend or one of its credentials; `path` is below the backend. */
export interface BackendFault {
  readonly type: "Accepted" | "ResolvedRefs";
  readonly reason: ConditionReason;
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly isPending: boolean;
}

/**
 * A backend with every credential that can be used; one that cannot takes no other with it. Without any that may be chosen the
 * backend is left out: it would only fail at the provider, or go there unauthenticated.
 */
export const compileBackend = (
  backend: BackendSpec,
  input: CredentialInput,
): { readonly backend?: BackendConfig; readonly faults: readonly BackendFault[] } => {
  const endpoint = normalEndpoint(backend.endpoint ?? openaiEndpoint);
  if (endpoint === undefined) {
    const message = `backend ${backend.name}: ${backend.endpoint} is not a URL that can be called`;
    const fault = { reason: "BackendInvalid", message, path: ["endpoint"], isPending: false } as const;
    return { faults: [{ type: "ResolvedRefs", ...fault }] };
  }
  const { name, type } = backend;
  const credentials: CredentialConfig[] = [];
  const faults: BackendFault[] = [];
  backend.credentials.forEach((spec, index) => {
    const resolved = resolveCredential(spec, { type, endpoint }, input);
    if ("credential" in resolved) credentials.push(resolved.credential);
    else {
      const { message, path } = resolved;
      faults.push({ ...resolved, message: `backend ${name}: ${message}`, path: ["credentials", index, ...path] });
    }
  });
  if (backend.credentials.length > 0 && !credentials.some(({ weight }) => weight > 0)) return { faults };
  const apiVersion = type === "AzureOpenAI" ? { apiVersion: backend.apiVersion ?? azureApiVersion } : {};
  return { backend: { name, type, endpoint, ...apiVersion, credentials }, faults };
};

/** Host in lower case, no default port, no slash at the end; undefined for what the URL standard refuses. */
const normalEndpoint = (text: string): string | undefined => {
  if (!URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  let end = pathname.length;
  while (end > 0 && pathname[end - 1] === "/") end -= 1;
  return `${origin}${pathname.slice(0, end)}`;
};
