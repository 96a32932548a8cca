/** The pod's own tokens, one file for each audience, as the kubelet writes and renews them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Secret } from "../../../base/secret.ts";
import { CredentialFault } from "./fault.ts";

/** Longest token that is taken, in bytes. */
const tokenBytesMax = 65_536;

/** Where the tokens are: `token-0` for the first audience, and so on. */
export interface TokenPlaces {
  readonly directory: string;
  readonly audiences: readonly string[];
}

/** A token as it is read anew for each exchange: the kubelet renews it every few minutes. Rejects with CredentialFault. */
export async function readToken({ directory, audiences }: TokenPlaces, audience: string): Promise<Secret> {
  const index = audiences.indexOf(audience);
  if (index < 0) {
    const remedy = "restart the pod, so that it is injected with the current injection.tokenAudiences";
    throw new CredentialFault("no_token", `the pod has no token for audience ${audience}; ${remedy}`);
  }
  const bytes = await readFile(join(directory, `token-${index}`)).catch((cause: unknown) => {
    throw new CredentialFault("no_token", `the pod's token for audience ${audience} cannot be read`, { cause });
  });
  const text = bytes.length <= tokenBytesMax ? bytes.toString("latin1").trim() : "";
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new CredentialFault("no_token", `the pod's token for audience ${audience} is not a token`);
  return new Secret(text);
}
