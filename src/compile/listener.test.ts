import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { selfSigned } from "../../test/fixtures/certificate.ts";
import { listenerSchema } from "../api/airoute-listener.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../api/secret.ts";
import { Secret } from "../base/secret.ts";
import { compileListener } from "./listener.ts";

const { cert, key } = selfSigned();
const nowMs = Date.now();
const hourMs = 3_600_000;
const pair = { "tls.crt": cert, "tls.key": key };

const secret = (
  values: Readonly<Record<string, string>> = pair,
  more: Partial<SecretResource> = {},
): SecretResource => ({
  namespace: "team",
  name: "bot-tls",
  labels: { [credentialLabel]: "true" },
  annotations: {},
  values: new Map(Object.entries(values).map(([name, text]) => [name, new Secret(text)])),
  ...more,
});
const pod = { address: "Pod", tls: { secretRef: { name: "bot-tls" } } };
const compiled = (spec: object, options: { secrets?: readonly SecretResource[]; nowMs?: number } = {}) =>
  compileListener(listenerSchema.parse(spec), {
    namespace: "team",
    secrets: options.secrets ?? [secret()],
    ...options,
  });

test("a route that does not say where has no listener", () => {
  expect(compileListener(undefined, { namespace: "team", secrets: [] })).toEqual({ faults: [] });
});

test("Pod with all that it may have", () => {
  const spec = {
    address: "Pod",
    tls: { secretRef: { name: "bot-tls" }, minVersion: "1.3" },
    hsts: { maxAge: "1h30m500ms" },
    sources: ["10.0.0.0/8", "fd00::/8"],
    userAgents: ["curl/*"],
  };
  expect(compiled(spec, { nowMs })).toEqual({
    listener: {
      address: "Pod",
      tls: { certificate: cert, key, minVersion: "TLSv1.3" },
      hstsSeconds: 5400,
      sources: ["10.0.0.0/8", "fd00::/8"],
      userAgents: ["curl/*"],
    },
    faults: [],
  });
});

test("Loopback keeps to itself, with TLS besides where there is a certificate", () => {
  expect(compiled({ userAgents: ["curl/*"] }).listener).toEqual({
    address: "Loopback",
    sources: [],
    userAgents: ["curl/*"],
  });
  expect(compiled({ tls: pod.tls }).listener).toMatchObject({ address: "Loopback", tls: { minVersion: "TLSv1.2" } });
});

describe("without a certificate that can be used Pod is Loopback, and the finding says why", () => {
  const other = selfSigned();
  const small = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "canary" },
  }).privateKey;
  test.each([
    ["no Secret", [], "SecretNotFound", "does not exist", true],
    ["a Secret without the label", [secret(pair, { labels: {} })], "SecretNotPermitted", "label", false],
    [
      "a provider's credential",
      [secret(pair, { annotations: { [hostsAnnotation]: "api.openai.com" } })],
      "SecretNotPermitted",
      "annotation",
      false,
    ],
    ["no certificate", [secret({ "tls.key": key })], "SecretKeyMissing", "no key tls.crt", false],
    ["no key", [secret({ "tls.crt": cert })], "SecretKeyMissing", "no key tls.key", false],
    ["no PEM", [secret({ ...pair, "tls.crt": "canary" })], "SecretInvalid", "no certificate in PEM", false],
    ["no key in PEM", [secret({ ...pair, "tls.key": "canary" })], "SecretInvalid", "no private key", false],
    [
      "a key with a passphrase",
      [secret({ ...pair, "tls.key": small })],
      "SecretInvalid",
      "without a passphrase",
      false,
    ],
    ["another's key", [secret({ ...pair, "tls.key": other.key })], "SecretInvalid", "does not belong", false],
    ["a key for a certificate", [secret({ "tls.crt": key, "tls.key": key })], "SecretInvalid", "no certificate", false],
    ["too long a chain", [secret({ ...pair, "tls.crt": cert.repeat(200) })], "SecretInvalid", "65536", false],
    [
      "a broken chain",
      [secret({ ...pair, "tls.crt": `${cert}-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n` })],
      "SecretInvalid",
      "chain is broken",
      false,
    ],
  ])("%s", (_, secrets, reason, says, isPending) => {
    const { listener, faults } = compiled({ ...pod, hsts: { maxAge: "1h" }, sources: ["10.0.0.0/8"] }, { secrets });
    expect(listener).toEqual({ address: "Loopback", sources: [], userAgents: [] });
    expect(faults).toMatchObject([
      { type: "ResolvedRefs", reason, isPending, path: ["listener", "tls", "secretRef", "name"] },
    ]);
    expect(faults[0]?.message).toContain(says);
    expect(faults[0]?.message).toContain("TLS is not spoken");
    expect(faults[0]?.message).not.toContain("canary");
  });
});

describe("times of a certificate", () => {
  const until = new Date(nowMs + hourMs);
  const short = selfSigned({ until });
  const secrets = [secret({ "tls.crt": short.cert, "tls.key": short.key })];
  test("are not judged where the time is not known", () => {
    expect(compiled(pod, { secrets }).faults).toEqual([]);
    expect(compiled(pod, { secrets, nowMs }).faults).toEqual([]);
  });

  test.each([
    ["is over", nowMs + 2 * hourMs, "ended at"],
    ["has not begun", nowMs - 100 * 24 * hourMs, "begins at"],
  ])("one whose time %s stays in use, with a finding", (_, atMs, says) => {
    const { listener, faults } = compiled(pod, { secrets, nowMs: atMs });
    expect(listener).toEqual(compiled(pod, { secrets }).listener);
    expect(faults).toMatchObject([{ reason: "SecretInvalid", isPending: false }]);
    expect(faults[0]?.message).toContain(says);
  });
});

describe("sources", () => {
  test.each(["10.0.0.0/33", "256.0.0.0/8", "::1/129", "1::2::3/64", "1.2.3.4.5/8", "dead/8", "10.0.0.0/08x"])(
    "%s is no CIDR",
    (bad) => {
      const spec = { ...listenerSchema.parse(pod), sources: ["10.0.0.0/8", bad] };
      const { listener, faults } = compileListener(spec, { namespace: "team", secrets: [secret()] });
      expect(listener).toMatchObject({ address: "Pod", sources: ["10.0.0.0/8"] });
      expect(faults).toMatchObject([
        { type: "Accepted", reason: "UnsupportedValue", path: ["listener", "sources", 1], isPending: false },
      ]);
    },
  );

  test("of which none is a CIDR let nobody in from elsewhere: an empty list would let everybody in", () => {
    const { listener } = compiled({ ...pod, sources: ["10.0.0.0/33"] });
    expect(listener).toMatchObject({ address: "Loopback", sources: [] });
  });
});
