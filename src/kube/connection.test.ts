import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { selfSigned } from "../../test/fixtures/certificate.ts";
import { FakeClock } from "../base/clock.ts";
import { inClusterConnection, isInCluster, kubeconfigConnection } from "./connection.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-connection-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string, mode = 0o600): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
};

const kubeconfig = (name: string, user: object, cluster: object = {}): string =>
  write(
    name,
    stringify({
      clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443/", ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [
        { name: "x", context: { cluster: "c", user: "u", namespace: "team" } },
        { name: "lost", context: { cluster: "none", user: "u" } },
      ],
      "current-context": "x",
    }),
  );

describe("in a cluster", () => {
  const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

  test("the service account's token is read again each minute, and at once after it was refused", async () => {
    write("token", "first\n");
    write("ca.crt", "CA");
    write("namespace", "sidegate");
    const clock = new FakeClock();
    expect(isInCluster(env, folder)).toBe(true);
    const connection = inClusterConnection({ env, clock, folder });
    expect([connection.url, connection.namespace]).toEqual(["https://10.96.0.1:443", "sidegate"]);
    const token = async (isRefused?: boolean) => (await connection.credentials(isRefused)).headers["authorization"];
    expect(await token()).toBe("Bearer first");
    write("token", "second\n");
    clock.advance(59_000);
    expect(await token()).toBe("Bearer first");
    clock.advance(1_000);
    expect(await token()).toBe("Bearer second");
    write("token", "third\n");
    expect(await token(true)).toBe("Bearer third");
    expect((await connection.credentials()).tls).toEqual({ ca: "CA" });
  });

  test("an IPv6 address stands in brackets", () => {
    const connection = inClusterConnection({
      env: { ...env, KUBERNETES_SERVICE_HOST: "fd00::1" },
      clock: new FakeClock(),
      folder,
    });
    expect(connection.url).toBe("https://[fd00::1]:443");
  });

  test("outside of a pod it is not", () => {
    expect([isInCluster({}, folder), isInCluster(env, join(folder, "none"))]).toEqual([false, false]);
  });
});

describe("a kubeconfig", () => {
  test("gives the server, the namespace and a token", async () => {
    const connection = await kubeconfigConnection({ file: kubeconfig("token.yaml", { token: "t" }) });
    expect([connection.url, connection.namespace]).toEqual(["https://10.0.0.1:6443", "team"]);
    expect((await connection.credentials()).headers).toEqual({ authorization: "Bearer t" });
  });

  test("gives a client certificate and the server's CA", async () => {
    const { cert, key } = selfSigned();
    const base64 = (text: string): string => Buffer.from(text).toString("base64");
    const user = { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
    const cluster = { "certificate-authority-data": base64(cert), "tls-server-name": "kubernetes" };
    const { tls } = await (await kubeconfigConnection({ file: kubeconfig("cert.yaml", user, cluster) })).credentials();
    expect([String(tls.cert), String(tls.key), String(tls.ca), tls.servername]).toEqual([
      cert,
      key,
      cert,
      "kubernetes",
    ]);
  });

  test("runs an exec plugin, and runs it anew when its token was refused", async () => {
    const counter = write("count", "");
    const credential =
      '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t$(wc -c <COUNT)"}}';
    const script = `#!/bin/sh\nprintf x >>COUNT\nprintf '%s' "${credential.replaceAll('"', '\\"')}"\n`;
    const command = write("plugin.sh", script.replaceAll("COUNT", counter), 0o700);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "Never" };
    const connection = await kubeconfigConnection({ file: kubeconfig("exec.yaml", { exec }) });
    const token = async (isRefused?: boolean) => (await connection.credentials(isRefused)).headers["authorization"];
    expect([await token(), await token(), await token(true), await token()]).toEqual([
      "Bearer t1",
      "Bearer t1",
      "Bearer t2",
      "Bearer t2",
    ]);
  });

  test("over plain HTTP works without TLS options", async () => {
    const file = kubeconfig("plain.yaml", {}, { server: "http://127.0.0.1:8001" });
    const connection = await kubeconfigConnection({ file });
    expect(await connection.credentials()).toEqual({ headers: {}, tls: {} });
  });

  test("whose context has no cluster says so", async () => {
    const file = kubeconfig("lost.yaml", {});
    await expect(kubeconfigConnection({ file, context: "lost" })).rejects.toThrow(
      'The kubeconfig has no cluster for context "lost". Name one with kubectl config use-context.',
    );
  });
});
