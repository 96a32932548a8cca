import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { selfSigned } from "../../test/fixtures/certificate.ts";
import { FakeClock } from "../base/clock.ts";
import { inClusterConnection, isInCluster, kubeconfigConnection } from "./connection.ts";
import { KubeFault } from "./port.ts";

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

  test("a token that is gone is a fault of the API server's side, which is tried again", async () => {
    for (const name of ["token", "ca.crt"]) write(name, "there");
    const connection = inClusterConnection({ env, clock: new FakeClock(), folder });
    rmSync(join(folder, "token"));
    const fault = await connection.credentials(true).catch((thrown: unknown) => thrown);
    expect(fault).toBeInstanceOf(KubeFault);
    expect(fault).toMatchObject({ status: 0, message: expect.stringContaining("ENOENT") });
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

  test("whose server is no URL says so", async () => {
    const file = kubeconfig("server.yaml", {}, { server: "admin:S3CRET@10.0.0.1:6443" });
    await expect(kubeconfigConnection({ file })).rejects.toThrow('The server of cluster "c" is no http or https URL.');
  });

  test.each([
    { name: "an indent", text: "users:\n- name: u\n  user:\n   token: S3CRET\n  x: y\n   z: S3CRET\n", line: 6 },
    { name: "a tag", text: "users:\n- name: u\n  user:\n    token: !S3CRET\n", line: 4 },
    { name: "an alias", text: "users:\n- name: u\n  user:\n    token: *S3CRET\n", line: 4 },
    { name: "a handle", text: "users:\n- name: u\n  user:\n    token: !S3CRET!x\n", line: 4 },
    { name: "a quote", text: 'users:\n- name: u\n  user:\n    token: "S3CRET\n', line: 5 },
  ])("that is broken by $name says the line, and nothing that stands in it", async ({ text, line }) => {
    const fault = await kubeconfigConnection({ file: write("broken.yaml", text) }).catch((thrown: unknown) => thrown);
    expect(fault).toBeInstanceOf(KubeFault);
    expect(String(fault)).toMatch(new RegExp(`line ${line}: [a-z][^:]+$`));
    expect(inspect(fault)).not.toContain("S3CRET");
  });
});

describe("credentials that are not to be had", () => {
  const faultOf = async (user: object, cluster: object = {}): Promise<unknown> => {
    const connection = await kubeconfigConnection({ file: kubeconfig("none.yaml", user, cluster) });
    return connection.credentials().catch((thrown: unknown) => thrown);
  };
  const plugin = (command: string) => ({
    exec: {
      ...{ apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "Never" },
      args: ["--client-secret", "S3CRET"],
      env: [{ name: "SECRET", value: "S3CRET" }],
    },
  });
  const ending = (name: string, script: string): string => write(name, `#!/bin/sh\n${script}\n`, 0o700);

  test.each([
    {
      name: "a plugin that is not installed",
      user: () => plugin("no-such-plugin"),
      says: "its plugin no-such-plugin cannot be started (ENOENT)",
    },
    {
      name: "a plugin whose login has ended",
      user: () => plugin(ending("ended.sh", "echo S3CRET >&2; exit 1")),
      says: /its plugin \S+ended\.sh failed: log in anew; kubectl get --raw \/version shows what it says$/,
    },
    {
      name: "a plugin that answers something else",
      user: () => plugin(ending("other.sh", "echo S3CRET")),
      says: /its plugin \S+other\.sh failed: log in anew/,
    },
    {
      name: "a plugin that answers an empty object",
      user: () => plugin(ending("empty.sh", "echo '{}'")),
      says: /its plugin \S+empty\.sh failed: log in anew/,
    },
    {
      name: "a client certificate that is gone",
      user: () => ({ "client-certificate": "/gone/client.crt", "client-key": "/gone/client.key" }),
      says: "/gone/client.crt cannot be read (ENOENT)",
    },
    {
      name: "the server's CA that is gone",
      user: () => ({ token: "S3CRET" }),
      cluster: { "certificate-authority": "/gone/ca.crt" },
      says: "/gone/ca.crt cannot be read (ENOENT)",
    },
  ])("$name is a fault of status 0 that names it, and no secret", async ({ user, cluster, says }) => {
    const fault = await faultOf(user(), cluster);
    expect(fault).toBeInstanceOf(KubeFault);
    expect(fault).toMatchObject({ status: 0 });
    expect(String(fault)).toContain("kubeconfig: no credentials for user u: ");
    expect((fault as KubeFault).message.replace("kubeconfig: no credentials for user u: ", "")).toMatch(says);
    expect(inspect(fault, { depth: 9 })).not.toContain("S3CRET");
  });
});
