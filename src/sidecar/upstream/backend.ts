/** A backend as the sidecar calls it. */
import type { BackendConfig } from "../../config/contract.ts";
import type { CredentialPool } from "./credentials/pool.ts";

/** One backend, ready to be called. */
export interface Backend {
  readonly name: string;
  readonly type: BackendConfig["type"];
  /** `https://host:port`. */
  readonly origin: string;
  /** Path in front of the API's own paths, without trailing slash. */
  readonly basePath: string;
  readonly apiVersion: string;
  readonly credentials: CredentialPool;
}
