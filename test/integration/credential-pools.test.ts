// Several keys of one backend: rotation, revocation and rate limits under load, without a failed call (fault 29).
import { afterEach, describe, expect, test } from "vitest";
import { chat, send } from "../fixtures/calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { byStatus, metric, pause, steadyLoad } from "../fixtures/steady-load.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());

/** A route to one backend with these keys. */
const withKeys =
  (
    keys: Readonly<Record<string, string>>,
    options: { weights?: Readonly<Record<string, number>>; rule?: string } = {},
  ) =>
  (url: string): string => {
    const credentials = Object.keys(keys).map(
      (name) => `{type: Secret, secretRef: {name: pool, key: ${name}}, weight: ${options.weights?.[name] ?? 1}}`,
    );
    const secret = `---
apiVersion: v1
kind: Secret
metadata: {name: pool, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: ${JSON.stringify(keys)}
`;
    const backends = `- {name: main, type: OpenAI, endpoint: "${url}/v1", credentials: [${credentials.join(", ")}]}`;
    return openRoute(url, { backends, quotas: secret, rule: options.rule });
  };
const three = { a: "sk-a", b: "sk-b", c: "sk-c" };
const call = (): ReturnType<typeof send> => send(`${gateway.url}/v1/chat/completions`, { body: chat("hi") });
const keysSeen = (): (string | undefined)[] =>
  gateway.provider.requests.map(({ headers }) => headers.authorization?.slice(7));

describe("keys of one backend", () => {
  test("that are rotated four times a second under 50 calls a second fail no call", async () => {
    gateway = await startTestGateway({ yaml: withKeys({ key: "sk-0" }) });
    const { provider } = gateway;
    provider.acceptKeys(["sk-0"]);
    const load = steadyLoad(gateway.url, 50);
    for (let turn = 1; turn <= 40; turn++) {
      provider.acceptKeys([`sk-${turn - 1}`, `sk-${turn}`]); // the old one goes when the next comes
      gateway.reload(withKeys({ key: `sk-${turn}` })(provider.url));
      await pause(250);
    }
    const answers = await load.stop();
    expect(answers.length).toBeGreaterThan(400);
    expect(byStatus(answers)).toEqual({ 200: answers.length });
    expect(new Set(keysSeen()).size).toBeGreaterThan(38);
  });

  test("of which one is revoked under load fail no call, and it is asked for no more", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three) });
    const load = steadyLoad(gateway.url, 100);
    await pause(500);
    gateway.provider.acceptKeys(["sk-a", "sk-c"]);
    await pause(1_500);
    const answers = await load.stop();
    expect(byStatus(answers)).toEqual({ 200: answers.length });
    const refused = gateway.provider.requests.filter(({ status }) => status === 401);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(10);
    const of = (sample: string): Promise<number> => metric(gateway.sidecar.adminUrl, sample);
    const name = 'credential="default/pool/b"';
    expect(await of(`sidegate_credential_rests_total{${name},status="401"}`)).toBe(refused.length);
    expect(await of(`sidegate_credential_state{${name},state="unauthorized"}`)).toBe(1);
    expect(await of(`sidegate_credential_state{${name},state="ready"}`)).toBe(0);
    expect(await of('sidegate_credential_state{credential="default/pool/a",state="ready"}')).toBe(1);
  });

  test("of which one is rate-limited leave its calls to the others until it may be asked again", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three) });
    gateway.provider.behaveFor("sk-b", "status=429;retry-after=1");
    const load = steadyLoad(gateway.url, 100);
    await pause(700);
    gateway.provider.behaveFor("sk-b", undefined);
    expect(byStatus(load.answers)).toEqual({ 200: load.answers.length });
    const asked = (): number => keysSeen().filter((key) => key === "sk-b").length;
    const during = asked();
    expect(during).toBeLessThan(10);
    await pause(1_000);
    const answers = await load.stop();
    expect(byStatus(answers)).toEqual({ 200: answers.length });
    expect(asked()).toBeGreaterThan(during + 5);
  });

  test("that are all rate-limited pass the last answer on, and the backend rests as long as the first of them", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three) });
    for (const key of Object.values(three)) gateway.provider.behaveFor(key, "status=429;retry-after=5");
    expect((await call()).status).toBe(429);
    expect(keysSeen().toSorted()).toEqual(["sk-a", "sk-b", "sk-c"]);
    expect((await call()).status).toBe(429); // they rest: one is asked, not three
    expect(keysSeen().length).toBe(4);
  });

  test("that are all refused pass the refusal on", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three) });
    gateway.provider.acceptKeys([]);
    expect((await call()).json.error?.code).toBe("invalid_api_key");
    expect(keysSeen().length).toBe(3);
  });

  test("share calls by weight", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three, { weights: { a: 3, b: 1, c: 0 } }) });
    for (let i = 0; i < 100; i++) await call();
    const count = (key: string): number => keysSeen().filter((each) => each === key).length;
    expect([count("sk-a") > count("sk-b"), count("sk-b") > 8, count("sk-c")]).toEqual([true, true, 0]);
  });

  test("are all tried before another backend is", async () => {
    gateway = await startTestGateway({
      yaml: (url) =>
        withKeys(three)(url)
          .replace("  rules:", `    - {name: other, type: OpenAICompatible, endpoint: "${url}/v1"}\n  rules:`)
          .replace("[{name: main}]", "[{name: main}, {name: other, priority: 1}]"),
    });
    for (const key of ["sk-a", "sk-b"]) gateway.provider.behaveFor(key, "status=429");
    const answer = await call();
    expect([answer.status, answer.headers.get("x-sidegate-backend")]).toEqual([200, "main"]);
  });

  test("are not tried one after the other with an upload that has gone", async () => {
    gateway = await startTestGateway({ yaml: withKeys(three), random: () => 0 });
    gateway.provider.acceptKeys(["sk-b"]);
    const upload = (): ReturnType<typeof send> => {
      const body = new FormData();
      body.set("purpose", "batch");
      body.set("file", new Blob(["{}"]), "a.jsonl");
      return send(`${gateway.url}/v1/files`, { body });
    };
    expect((await upload()).status).toBe(401);
    expect((await upload()).status).toBe(200); // the refused one rests
  });

  test("a call that runs keeps the key that it started with", async () => {
    gateway = await startTestGateway({ yaml: withKeys({ key: "sk-old" }) });
    const running = send(`${gateway.url}/v1/chat/completions`, {
      body: chat("hi", { stream: true, user: "fake:every=40;tokens=12" }),
    });
    await pause(100);
    gateway.reload(withKeys({ key: "sk-new" })(gateway.provider.url));
    expect((await call()).status).toBe(200);
    expect((await running).text).toMatch(/data: \[DONE\]\n\n$/);
    expect(keysSeen()).toEqual(["sk-old", "sk-new"]);
  });
});
