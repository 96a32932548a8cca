/** The port of a credential: what is put on the wire, and what a refusal means for it. */
import { createHash } from "node:crypto";
import { Secret } from "../../../base/secret.ts";
import type { BackendConfig } from "../../../config/contract.ts";
import type { CredentialConfig, SecretCredentialConfig } from "../../../config/credential.ts";

/** Header names and values, alternating. One array stands for one value: a renewed token is another array. */
export type HeaderPairs = readonly string[];

/** How a credential stands by itself, cool-downs aside. */
export interface CredentialStanding {
  /** It can be sent now, or nobody has asked yet. */
  readonly isAvailable: boolean;
  /** Until its token ends, in s, 0 when it has; absent where there is no token. */
  readonly expiresInSeconds?: number;
}

/** One credential of a backend. */
export interface Credential {
  /** What logs and metrics call it. */
  readonly name: string;
  /** Digest of origin and value (or of who exchanges): cool-downs go by it, so that a rotated key begins anew. */
  readonly id: string;
  /** Share among the credentials of its backend; 0: never chosen. */
  readonly weight: number;
  /** At once where nothing has to be fetched. Rejects with CredentialFault when there is nothing to send. */
  headers(): HeaderPairs | Promise<HeaderPairs>;
  /** The provider answered 401 to these. True: ask again with what `headers` gives next. */
  refused(used: HeaderPairs): boolean;
  standing(): CredentialStanding;
}

/** OpenAI's account headers. */
export const accountHeaders = ({ organization, project }: CredentialConfig): string[] => [
  ...(organization === undefined ? [] : ["openai-organization", organization]),
  ...(project === undefined ? [] : ["openai-project", project]),
];

/** Hex digest of what makes a credential this one and no other. */
export const credentialId = (...parts: readonly string[]): string =>
  createHash("sha256").update(JSON.stringify(parts), "utf8").digest("hex").slice(0, 32);

/** A provider key. */
export class KeyCredential implements Credential {
  readonly name: string;
  readonly id: string;
  readonly weight: number;
  readonly #key: Secret;
  readonly #header: string;
  readonly #scheme: string;
  readonly #account: readonly string[];

  constructor(config: SecretCredentialConfig, backend: { type: BackendConfig["type"]; origin: string }) {
    const isAzure = backend.type === "AzureOpenAI";
    this.name = config.name;
    this.weight = config.weight;
    this.id = credentialId("Secret", backend.origin, config.value);
    this.#key = new Secret(config.value);
    this.#header = isAzure ? "api-key" : "authorization";
    this.#scheme = isAzure ? "" : "Bearer ";
    this.#account = isAzure ? [] : accountHeaders(config);
  }

  headers(): HeaderPairs {
    return [this.#header, `${this.#scheme}${this.#key.reveal()}`, ...this.#account];
  }
  /** A key that was refused is refused the next time, too. */
  refused(): boolean {
    return false;
  }
  standing(): CredentialStanding {
    return { isAvailable: true };
  }
}
