/** From a backend as users write it to a backend as a sidecar calls it. */
import { azureApiVersion, type BackendSpec, openaiEndpoint } from "../api/airoute-backend.ts";
import type { ConditionReason } from "../api/conditions.ts";
import type { SecretResource } from "../api/secret.ts";
import type { BackendConfig } from "../config/contract.ts";
import { resolveCredential } from "./credential.ts";

/** Why a backend cannot be used; `path` is below the backend. */
export interface BackendFault {
  readonly type: "ResolvedRefs";
  readonly reason: ConditionReason;
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly isPending: boolean;
}

/** A backend is whole or it is not used: a backend without its credential would only fail at the provider. */
export const compileBackend = (
  backend: BackendSpec,
  input: { readonly namespace: string; readonly secrets: readonly SecretResource[] },
): BackendConfig | BackendFault => {
  const endpoint = normalEndpoint(backend.endpoint ?? openaiEndpoint);
  if (endpoint === undefined) {
    const message = `backend ${backend.name}: ${backend.endpoint} is not a URL that can be called`;
    return { type: "ResolvedRefs", reason: "BackendInvalid", message, path: ["endpoint"], isPending: false };
  }
  const { name, type } = backend;
  const apiVersion = type === "AzureOpenAI" ? { apiVersion: backend.apiVersion ?? azureApiVersion } : {};
  const [spec] = backend.credentials;
  if (!spec) return { name, type, endpoint, ...apiVersion, credentials: [] };
  const resolved = resolveCredential(spec, { ...input, endpoint });
  if ("credential" in resolved) return { name, type, endpoint, ...apiVersion, credentials: [resolved.credential] };
  const { reason, message, member, isPending } = resolved;
  return {
    type: "ResolvedRefs",
    reason,
    message: `backend ${name}: ${message}`,
    path: ["credentials", 0, "secretRef", member],
    isPending,
  };
};

/** Host in lower case, no default port, no slash at the end; undefined for what the URL standard refuses. */
const normalEndpoint = (text: string): string | undefined => {
  if (!URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  let end = pathname.length;
  while (end > 0 && pathname[end - 1] === "/") end -= 1;
  return `${origin}${pathname.slice(0, end)}`;
};
