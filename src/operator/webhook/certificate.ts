/** Makes and judges the two certificates of the webhook: a certificate authority and a serving certificate (ECDSA P-256, RFC 5280). */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { Secret } from "../../base/secret.ts";
import { der } from "./der.ts";

/** A certificate (PEM) with its private key (PKCS #8, PEM). */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: Secret;
}

/** When a certificate begins before its making, ms: the API server's clock may be behind ours. */
const backdateMs = 3_600_000;
const ids = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  altName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/** A self-signed authority that may sign serving certificates only. `lifeMs` from now. Each has a subject of its own, so that two in one bundle are told apart. */
export const makeAuthority = (input: { readonly nowMs: number; readonly lifeMs: number }): KeyPair => {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = `sidegate-webhook-ca-${randomBytes(4).toString("hex")}`;
  const id = keyId(keys.publicKey.export({ format: "der", type: "spki" }));
  return {
    certPem: signed({
      ...input,
      subject,
      issuer: subject,
      publicKey: keys.publicKey.export({ format: "der", type: "spki" }),
      signWith: keys.privateKey,
      extensions: [
        extension(ids.basicConstraints, der.sequence(der.boolean(true), der.integer(Buffer.from([0]))), true),
        extension(ids.keyUsage, der.bits(Buffer.from([0b0000_0110]), 1), true), // keyCertSign, cRLSign
        extension(ids.subjectKeyId, der.octets(id)),
      ],
    }),
    keyPem: new Secret(keys.privateKey.export({ format: "pem", type: "pkcs8" }).toString()),
  };
};

/** A serving certificate for these names, signed by `authority`; `lifeMs` from now, and never longer than the authority's. */
export const makeServing = (
  authority: KeyPair,
  input: { readonly nowMs: number; readonly lifeMs: number; readonly dnsNames: readonly string[] },
): KeyPair => {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = new X509Certificate(authority.certPem);
  const names = input.dnsNames.map((name) => der.tagged(2, Buffer.from(name, "ascii"), false));
  return {
    certPem: signed({
      nowMs: input.nowMs,
      lifeMs: Math.min(input.lifeMs, issuer.validToDate.getTime() - input.nowMs),
      subject: (input.dnsNames[0] ?? "").slice(0, 64), // the most that X.520 allows; only the alternative names count
      issuer: commonName(issuer.subject),
      publicKey: keys.publicKey.export({ format: "der", type: "spki" }),
      signWith: createPrivateKey(authority.keyPem.reveal()),
      extensions: [
        extension(ids.basicConstraints, der.sequence(), true),
        extension(ids.keyUsage, der.bits(Buffer.from([0b1000_0000]), 7), true), // digitalSignature
        extension(ids.extendedKeyUsage, der.sequence(der.objectIdentifier(ids.serverAuth))),
        extension(ids.altName, der.sequence(...names)),
        extension(
          ids.authorityKeyId,
          der.sequence(der.tagged(0, keyId(issuer.publicKey.export({ format: "der", type: "spki" })), false)),
        ),
      ],
    }),
    keyPem: new Secret(keys.privateKey.export({ format: "pem", type: "pkcs8" }).toString()),
  };
};

/** The certificate, or undefined where `pem` is none. */
export const readCertificate = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
};

/** True when the private key belongs to the certificate and both can be read. */
export const isPair = ({ certPem, keyPem }: KeyPair): boolean => {
  try {
    const own = new X509Certificate(certPem).publicKey.export({ format: "der", type: "spki" });
    return createPublicKey(keyPem.reveal()).export({ format: "der", type: "spki" }).equals(own);
  } catch {
    return false;
  }
};

/** True when `certPem` was signed by the key of `issuerPem`. */
export const isSignedBy = (certPem: string, issuerPem: string): boolean => {
  const [certificate, issuer] = [readCertificate(certPem), readCertificate(issuerPem)];
  return issuer?.ca === true && certificate?.verify(issuer.publicKey) === true;
};

/** From when to when it is valid, ms since the epoch. */
export const validity = (certificate: X509Certificate): { readonly fromMs: number; readonly toMs: number } => ({
  fromMs: certificate.validFromDate.getTime(),
  toMs: certificate.validToDate.getTime(),
});

/** True when every name stands among the certificate's alternative names. */
export const hasNames = (certificate: X509Certificate, dnsNames: readonly string[]): boolean => {
  const names = new Set((certificate.subjectAltName ?? "").split(", "));
  return dnsNames.every((name) => names.has(`DNS:${name}`));
};

/** SHA-256 of the certificate in hex; "" where `pem` is none. */
export const fingerprint = (pem: string): string => readCertificate(pem)?.fingerprint256.replaceAll(":", "") ?? "";

/** The certificates of a bundle, one PEM each, in their order; what is none is left out. Linear in its length. */
export const splitBundle = (bundle: string): readonly string[] =>
  [...bundle.matchAll(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g)]
    .map(([pem]) => `${pem}\n`)
    .filter((pem) => readCertificate(pem) !== undefined);

/** Key identifier by RFC 7093, method 1: the first 160 bits of SHA-256, here over the whole key information. */
const keyId = (publicKey: Uint8Array): Buffer => createHash("sha256").update(publicKey).digest().subarray(0, 20);

const commonName = (subject: string): string => subject.replace(/^CN=/, "");

const nameOf = (text: string): Buffer =>
  der.sequence(der.set(der.sequence(der.objectIdentifier(ids.commonName), der.utf8(text))));

const extension = (id: string, value: Uint8Array, isCritical = false): Buffer =>
  der.sequence(der.objectIdentifier(id), ...(isCritical ? [der.boolean(true)] : []), der.octets(value));

const signed = (input: {
  readonly nowMs: number;
  readonly lifeMs: number;
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: Uint8Array;
  readonly signWith: Parameters<typeof sign>[2];
  readonly extensions: readonly Uint8Array[];
}): string => {
  const algorithm = der.sequence(der.objectIdentifier(ids.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive and without a leading zero
  const toBeSigned = der.sequence(
    der.tagged(0, der.integer(Buffer.from([2]))), // version 3
    der.integer(serial),
    algorithm,
    nameOf(input.issuer),
    der.sequence(der.time(input.nowMs - backdateMs), der.time(input.nowMs + input.lifeMs)),
    nameOf(input.subject),
    input.publicKey,
    der.tagged(3, der.sequence(...input.extensions)),
  );
  const signature = der.bits(sign("sha256", toBeSigned, input.signWith));
  const base64 = der.sequence(toBeSigned, algorithm, signature).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
};
