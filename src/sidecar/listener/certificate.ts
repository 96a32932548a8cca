/** A certificate with its key, looked at before it is used. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { ListenerConfig } from "../../config/listener.ts";

/** What TLS is spoken with. */
export type TlsConfig = NonNullable<ListenerConfig["tls"]>;

/** A certificate that can be used. */
export interface UsableTls {
  readonly config: TlsConfig;
  /** SHA-256 of the certificate in hex, by which it is told from others. */
  readonly fingerprint: string;
  /** When it ends, ms since the epoch. */
  readonly endsMs: number;
}

/** Looks at it; a text says what is wrong with it, and holds nothing of the key. */
export function usableTls(config: TlsConfig): UsableTls | string {
  try {
    createSecureContext({ cert: config.certificate, key: config.key, minVersion: config.minVersion });
    const certificate = new X509Certificate(config.certificate);
    const fingerprint = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
    return { config, fingerprint, endsMs: certificate.validToDate.getTime() };
  } catch (fault) {
    const why = fault instanceof Error && "code" in fault ? String(fault.code) : "it cannot be read";
    return `the certificate of spec.listener.tls cannot be used (${reasons[why] ?? why}); check tls.crt and tls.key of its Secret`;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: "the key belongs to another certificate",
  ERR_OSSL_PEM_NO_START_LINE: "it is no PEM",
};
