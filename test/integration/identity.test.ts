/** A sidecar that must prove its pod: tokens and keys rotate under running requests, and nothing that is refused reaches a provider. */
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { digestOf, encodeConfig } from "../../src/config/codec.ts";
import type { SidecarConfig } from "../../src/config/contract.ts";
import type { PodIdentityConfig } from "../../src/config/pod-identity.ts";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { type RunningSidecar, startSidecar } from "../../src/sidecar/sidecar.ts";
import { openStores } from "../../src/sidecar/stores/stores.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { goodToken, identityOf, newSigner, type Signer, testPod } from "../fixtures/pod-tokens.ts";
import { type ProjectedToken, projectedToken } from "../fixtures/projected-token.ts";
import { auditLines, configFrom, openRoute } from "../fixtures/sidecar.ts";

interface Stage {
  readonly provider: FakeProvider;
  readonly sidecar: RunningSidecar;
  readonly token: ProjectedToken;
  /** All that the sidecar has said so far: log, heartbeats, audit. */
  said(): string;
  readonly beats: string[];
  /** Puts a config with these keys in force. */
  publish(identity: PodIdentityConfig | undefined): void;
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const first = newSigner();
const digestFor = (config: SidecarConfig): string => digestOf(encodeConfig(config));

const start = async (text: string, identity: PodIdentityConfig | undefined): Promise<Stage> => {
  const provider = await startFakeProvider();
  ends.push(() => provider.close());
  const token = projectedToken(text);
  ends.push(() => token.remove());
  const lines: string[] = [];
  const beats: string[] = [];
  const log = createLog({ name: "test", level: "debug", destination: { write: (line) => void lines.push(line) } });
  const put = async (beat: { readonly text: string }): Promise<void> => void beats.push(beat.text);
  const stores = {
    ...(await openStores({ clock: systemClock, log })),
    beats: { put, remove: async () => undefined, onRecovered: () => undefined },
  };
  const audit = auditLines();
  const base = configFrom(openRoute(provider.url));
  const configOf = (podIdentity: PodIdentityConfig | undefined): SidecarConfig => ({
    ...base,
    ...(podIdentity && { podIdentity }),
  });
  const config = configOf(identity);
  const address = { host: "127.0.0.1", port: 0 };
  const { namespace, serviceAccount, pod } = testPod;
  const sidecar = await startSidecar({
    ...{ config, digest: digestFor(config), stores, log, listen: address, admin: address, graceMs: 500 },
    identity: { namespace, serviceAccount, pod },
    token: { file: token.file, pod: testPod },
    auditSink: audit,
    processMetrics: false,
  });
  ends.push(() => sidecar.stop());
  return {
    ...{ provider, sidecar, token, beats },
    said: () => [...lines, ...beats, JSON.stringify(audit.records)].join("\n"),
    publish: (next) => sidecar.reload(configOf(next), digestFor(configOf(next))),
  };
};

const ask = ({ sidecar }: Stage) => send(`${sidecar.url}/v1/chat/completions`, { body: chat("hello") });
const metric = async ({ sidecar }: Stage, name: string): Promise<string | undefined> => {
  const { text } = await send(`${sidecar.adminUrl}/metrics`);
  return text
    .split("\n")
    .find((line) => line.startsWith(name))
    ?.split(" ")
    .at(-1);
};
const standing = async ({ sidecar }: Stage): Promise<unknown> => {
  const { json } = await send(`${sidecar.adminUrl}/status`);
  return json["identity"];
};

test("a proven pod is served", async () => {
  const stage = await start(goodToken(first, Date.now()), identityOf(first));
  expect((await ask(stage)).status).toBe(200);
  expect(await standing(stage)).toMatchObject({ pod: testPod.pod, standing: "verified", reason: null });
  expect(await metric(stage, "sidegate_identity_verified")).toBe("1");
});

describe("a pod that is not proven", () => {
  const refusals = [
    {
      name: "with another pod's token",
      pod: { pod: "pod-2" },
      identity: identityOf(first),
      reason: "pod_name_mismatch",
    },
    {
      name: "under another account",
      pod: { serviceAccount: "b" },
      identity: identityOf(first),
      reason: "service_account_mismatch",
    },
    { name: "without anything to verify it by", pod: {}, identity: undefined, reason: "identity_not_configured" },
  ];
  test.each(refusals)(
    "$name gets a clear 403 and nothing else, is ready, and says why",
    async ({ pod, identity, reason }) => {
      const stage = await start(goodToken(first, Date.now(), { ...testPod, ...pod }), identity);
      const answer = await ask(stage);
      expect([answer.status, answer.json.error?.code]).toEqual([403, "identity_refused"]);
      expect(answer.json.error?.message).toContain(reason);
      expect(answer.headers.get("x-should-retry")).toBe("false");
      for (const path of ["/v1/models", "/v1/nothing", "/"])
        expect((await send(stage.sidecar.url + path)).status).toBe(403);
      expect(stage.provider.requests).toEqual([]);
      const ready = await send(`${stage.sidecar.adminUrl}/readyz`);
      expect([ready.status, ready.text]).toEqual([200, expect.stringContaining(reason)]);
      expect(await standing(stage)).toMatchObject({ standing: "refused", reason });
      expect(await metric(stage, "sidegate_identity_verified")).toBe("0");
      expect(await metric(stage, `sidegate_identity_refusals_total{reason="${reason}"}`)).toBe("1");
      await until("the heartbeat", () =>
        stage.beats.some((beat) => JSON.parse(beat).identityFault?.startsWith(reason)),
      );
    },
  );

  test("is served as soon as it is proven, and told of at once", async () => {
    const stage = await start("", identityOf(first));
    expect((await ask(stage)).json.error?.message).toContain("token_empty");
    stage.token.put(goodToken(first, Date.now()));
    await until("verified", () => stage.sidecar.proof.refusal === undefined);
    expect((await ask(stage)).status).toBe(200);
    await until("the heartbeat", () => JSON.parse(stage.beats.at(-1) ?? "{}").identityFault === undefined);
  });

  test("is refused from the moment in which its token is taken away", async () => {
    const stage = await start(goodToken(first, Date.now()), identityOf(first));
    expect((await ask(stage)).status).toBe(200);
    stage.token.put(goodToken(newSigner(), Date.now(), { ...testPod, podUid: "another" }));
    await until("refused", () => stage.sidecar.proof.refusal === "pod_uid_mismatch");
    expect((await ask(stage)).status).toBe(403);
  });
});

test("a config for another service account is refused with its own code", async () => {
  const stage = await start(goodToken(first, Date.now()), identityOf(first));
  const config = configFrom(openRoute(stage.provider.url));
  stage.sidecar.reload({ ...config, subject: { namespace: "default", serviceAccount: "b" } }, "sha256:b");
  const answer = await ask(stage);
  expect([answer.status, answer.json.error?.message]).toEqual([
    403,
    expect.stringContaining("config_of_another_workload"),
  ]);
});

test("no request fails while token and keys rotate, each some of the time without the other", async () => {
  const stage = await start(goodToken(first, Date.now()), identityOf(first));
  const statuses: number[] = [];
  let isOver = false;
  const client = async (): Promise<void> => {
    while (!isOver) statuses.push((await ask(stage)).status);
  };
  const clients = Array.from({ length: 4 }, client);
  const seen = new Set<string>();
  const rotate = async (before: Signer, after: Signer, isEarly: boolean): Promise<void> => {
    // The cluster names both keys, then signs with the new one, then forgets the old one; or the token is faster than the config.
    if (!isEarly) stage.publish(identityOf(before, after));
    stage.token.put(goodToken(after, Date.now()));
    if (isEarly) {
      await until("held", () => stage.sidecar.proof.standing.kind === "held");
      seen.add("held");
      stage.publish(identityOf(before, after));
    }
    await until("verified", () => stage.sidecar.proof.standing.kind === "verified");
    stage.publish(identityOf(after));
    await stage.sidecar.proof.look();
    await until("verified by the new key alone", () => stage.sidecar.proof.standing.kind === "verified");
    // Rotations of the token alone, as every eight minutes.
    for (let i = 0; i < 3; i++) {
      stage.token.put(goodToken(after, Date.now() - i * 1000));
      await until(
        "another request",
        (
          (count) => () =>
            statuses.length > count + 4
        )(statuses.length),
      );
    }
  };
  let signer = first;
  for (let round = 0; round < 8; round++) {
    const next = newSigner(round % 2 === 0 ? "RS256" : "ES256");
    await rotate(signer, next, round % 2 === 1);
    signer = next;
  }
  isOver = true;
  await Promise.all(clients);
  expect(statuses.length).toBeGreaterThan(100);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(seen).toEqual(new Set(["held"]));
  expect(await metric(stage, "sidegate_identity_held")).toBe("0");
});

test("no token, good or bad, stands in a log line, a metric, an error, a record, a heartbeat, /status or a provider's request", async () => {
  const stranger = newSigner();
  const now = Date.now();
  const tokens = [
    goodToken(first, now),
    goodToken(stranger, now),
    goodToken(first, now, { ...testPod, pod: "pod-2" }),
    `${goodToken(stranger, now)}.CanaryCanaryCanary`,
    "CanaryCanaryCanary",
  ];
  const stage = await start(tokens[0] ?? "", identityOf(first));
  const pages: string[] = [];
  for (const token of tokens) {
    const turns = stage.beats.length;
    stage.token.put(token);
    stage.publish(identityOf(first));
    await until("a heartbeat", () => stage.beats.length > turns);
    const answer = await ask(stage);
    pages.push(answer.text, JSON.stringify([...answer.headers]));
    for (const path of ["/metrics", "/status", "/readyz"]) pages.push((await send(stage.sidecar.adminUrl + path)).text);
  }
  stage.publish(undefined);
  pages.push((await ask(stage)).text);
  await stage.sidecar.stop();
  const all = [stage.said(), ...pages, JSON.stringify(stage.provider.requests)].join("\n");
  expect(all).toContain("identity_not_configured");
  expect(all).toContain("pod_name_mismatch");
  const parts = new Set(tokens.flatMap((token) => token.split(".")));
  for (const part of parts)
    for (const piece of [part, part.slice(0, 24), part.slice(-24)]) expect(all).not.toContain(piece);
});
