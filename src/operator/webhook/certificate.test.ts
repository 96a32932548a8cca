import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { Secret } from "../../base/secret.ts";
import {
  hasNames,
  isPair,
  isSignedBy,
  makeAuthority,
  makeServing,
  readCertificate,
  splitBundle,
  validity,
} from "./certificate.ts";

const nowMs = Date.now();
const dayMs = 86_400_000;
const authority = makeAuthority({ nowMs, lifeMs: 100 * dayMs });
const other = makeAuthority({ nowMs, lifeMs: 100 * dayMs });
const dnsNames = ["hook.ns.svc", "localhost"];
const serving = makeServing(authority, { nowMs, lifeMs: 9 * dayMs, dnsNames });

/** Shakes hands with a server that has the pair, trusting `ca`; resolves to the fault, or to "trusted". */
const handshake = async (ca: string): Promise<string> => {
  const server = createServer({ cert: serving.certPem, key: serving.keyPem.reveal() });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on IP
  try {
    return await new Promise((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca }, () => resolve("trusted"));
      socket.on("error", (fault: NodeJS.ErrnoException) => resolve(String(fault.code)));
      socket.on("close", () => socket.destroy());
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
};

test("a client that trusts the authority trusts the serving certificate, one that trusts another does not", async () => {
  expect(await handshake(authority.certPem)).toBe("trusted");
  expect(await handshake(other.certPem + authority.certPem)).toBe("trusted");
  expect(await handshake(other.certPem)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
});

test("names, issuer and key are told apart", () => {
  const certificate = readCertificate(serving.certPem);
  expect(certificate && hasNames(certificate, dnsNames)).toBe(true);
  expect(certificate && hasNames(certificate, ["hook.ns.svc", "else.ns.svc"])).toBe(false);
  expect(isSignedBy(serving.certPem, authority.certPem)).toBe(true);
  expect(isSignedBy(serving.certPem, other.certPem)).toBe(false);
  expect(isSignedBy(serving.certPem, serving.certPem)).toBe(false);
  expect(isPair(serving)).toBe(true);
  expect(isPair({ ...serving, keyPem: other.keyPem })).toBe(false);
  expect(isPair({ ...serving, keyPem: new Secret("no key") })).toBe(false);
});

test("a serving certificate begins before now, for clocks that are behind, and never outlives its authority", () => {
  const certificate = readCertificate(makeServing(authority, { nowMs, lifeMs: 900 * dayMs, dnsNames }).certPem);
  const { fromMs, toMs } = certificate ? validity(certificate) : { fromMs: 0, toMs: 0 };
  expect(nowMs - fromMs).toBeGreaterThan(3_500_000);
  expect(toMs).toBe(readCertificate(authority.certPem)?.validToDate.getTime());
});

test("a certificate that ends after 2049 says so in four digits", () => {
  const late = makeAuthority({ nowMs, lifeMs: 40 * 365 * dayMs });
  expect(readCertificate(late.certPem)?.validToDate.getUTCFullYear()).toBeGreaterThan(2060);
});

test("a bundle is split into what is a certificate", () => {
  const noise = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
  const bundle = `# old ones\n${noise}${authority.certPem}\n\n${other.certPem}-----BEGIN CERTIFICATE-----\n`;
  expect(splitBundle(bundle)).toEqual([authority.certPem, other.certPem]);
  expect(splitBundle("")).toEqual([]);
});
