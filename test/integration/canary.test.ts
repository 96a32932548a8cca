// Nothing leaks: values are planted everywhere, everything is made to fail, and nothing that can be read holds one of them.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CanarySearch,
  formsOf,
  type Leak,
  proseCanary,
  randomText,
  secretCanary,
  windowChars,
} from "../fixtures/canary.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import { asCallers } from "./canary/callers.ts";
import { Disturbed } from "./canary/disturbances.ts";
import { aborted, failAtExchange, failAtProvider, failWithKey, refused } from "./canary/failures.ts";
import { type Output, procOf, redisOutputs, writtenBy } from "./canary/outputs.ts";
import { type Garden, type PlantedRow, plant, plantedRows, textIn } from "./canary/planted.ts";
import { type CanarySidecar, startCanarySidecar } from "./canary/sidecar-process.ts";
import { openStage, type Stage } from "./canary/stage.ts";
import { type Heard, sendAll } from "./canary/traffic.ts";

const certificate = selfSigned();
const garden: Garden = plant(certificate);
const search = new CanarySearch(garden.values());
const outputs: Output[] = [];
const sidecars: CanarySidecar[] = [];
let stage: Stage;
let disturbed: Disturbed;
let firstStatus = "";
let received = "";

beforeAll(async () => {
  stage = await openStage(garden);
  const sidecar = await startCanarySidecar(stage);
  sidecars.push(sidecar);
  disturbed = new Disturbed(stage, sidecar, outputs);
  const { caller } = disturbed;
  firstStatus = await sidecar.page("/status");
  await sendAll(caller);
  outputs.push(...(await redisOutputs(stage)), ...procOf(sidecar));
  await disturbed.gather("after good calls");
  await failAtProvider(caller);
  await failWithKey(caller);
  await failAtExchange(caller, (what) => disturbed.statusShows(what));
  await refused(caller);
  await aborted(caller);
  await disturbed.gather("after bad calls");
  await disturbed.swapIdentity();
  await disturbed.breakAudit();
  await asCallers(disturbed, certificate);
  for (const end of ["SIGUSR2", "SIGHUP"] as const) sidecars.push(await disturbed.failInside(end));
  await disturbed.reloadBadly();
  await disturbed.disturbRedis();
  await disturbed.drain();
  outputs.push(...writtenBy(stage, sidecars));
  received = stage.received();
}, 120_000);
afterAll(async () => {
  for (const sidecar of sidecars) await sidecar.stop();
  await stage?.close();
});

const inWords = ({ where, canary, form, at }: Leak): string =>
  `${where}: ${canary} (${form}) behind ${JSON.stringify(at.slice(-80))}`;
const leaksIn = (which: (where: string) => boolean): string[] =>
  outputs.filter(([where]) => which(where)).flatMap(([where, content]) => search.find(where, content).map(inWords));

describe("the search finds", () => {
  const secret = secretCanary("secret");
  const prose = proseCanary("prose");
  const own = new CanarySearch([secret, prose]);

  test.each(formsOf(prose.text).map(([form, written]) => ({ form, written })))(
    "$form, whole and cut",
    ({ written }) => {
      for (const cut of [written, written.slice(0, windowChars), written.slice(-windowChars)])
        expect(own.find("x", Buffer.from(`..${cut}..`, "latin1")).map(({ canary }) => canary)).toEqual(["prose"]);
    },
  );

  test("a secret inside what is encoded as a whole, wherever it stands", () => {
    for (const before of ["", "a", "ab", "abc"]) {
      const config = Buffer.from(`${before}${secret.text}"}`);
      for (const whole of [
        config.toString("base64"),
        config.toString("hex"),
        JSON.stringify(JSON.stringify(`${config}`)),
      ])
        expect(own.find("x", whole).map(({ canary }) => canary)).toEqual(["secret"]);
    }
  });

  test("nothing in other texts, nor in a shorter cut", () => {
    expect(own.find("x", randomText(100_000))).toEqual([]);
    expect(own.find("x", secret.text.slice(0, windowChars - 1))).toEqual([]);
  });

  test.each(["log (stderr)", "audit (stdout)", "MONITOR", "/metrics, after good calls", "/status, after bad calls"])(
    "what is put into %s of this run",
    (name) => {
      const [, content] = outputs.find(([where]) => where === name) ?? [];
      const text = Buffer.from(content ?? "");
      const leaky = Buffer.concat([text, Buffer.from(`"${textIn(garden, "provider key").slice(8, 8 + windowChars)}"`)]);
      expect(text.length).toBeGreaterThan(100);
      expect(search.find(name, leaky).map(({ canary }) => canary)).toContain("provider key");
    },
  );
});

describe("what is planted has travelled", () => {
  const of = (proof: PlantedRow["proof"]): readonly PlantedRow[] => plantedRows.filter((row) => row.proof === proof);

  test.each(of("provider"))("$name: the provider received it ($place)", ({ name }) => {
    expect(search.find("provider", Buffer.from(received, "latin1")).map(({ canary }) => canary)).toContain(name);
  });

  test.each(of("client"))("$name: a client heard it ($place)", ({ name }) => {
    const heard = disturbed.caller.heard.map(({ text }) => text).join("\n");
    expect(search.find("client", heard).map(({ canary }) => canary)).toContain(name);
  });

  test("the passwords of Redis: it took both, one after the other", () => {
    for (const clients of disturbed.clients) expect(clients).toMatch(/name=sidegate .*user=sidecar/);
    expect(disturbed.clients.length).toBe(2);
  });

  test("what the sidecar keeps for itself: it worked with it", () => {
    const { statuses, sidecar } = { ...disturbed.caller, sidecar: disturbed.sidecar };
    expect(firstStatus).toContain('"verified"'); // pod token
    expect(sidecar.stderr()).toContain("audience_mismatch"); // foreign pod token
    expect(outputs.map(([where]) => where).join()).toContain("sg:{default}:cache:"); // keyring secret
    expect(sidecar.stderr().split("config refused").length).toBeGreaterThan(10); // misplaced key
    expect(statuses["chat with tools and parts"]).toBe(200); // the client's own key, cookie and directive came with it
  });

  test("the client's own credentials stay with the sidecar", () => {
    const found = search.find("provider", Buffer.from(received, "latin1")).map(({ canary }) => canary);
    for (const name of ["client's own key", "client's cookie", "API key", "bearer token", "refused bearer token"])
      expect(found).not.toContain(name);
  });

  test("callers were let in and refused, over http and over TLS", () => {
    const { statuses } = disturbed.caller;
    const want: Readonly<Record<string, number>> = {
      "API key": 200,
      "wrong API key": 401,
      "no API key": 401,
      token: 200,
      "expired token": 401,
      "token of another audience": 401,
      "token of another key": 401,
      "token with a strange algorithm": 401,
      "token of a system user": 401,
      "no token": 401,
      "token of an issuer that fails": 503,
    };
    for (const [where, status] of Object.entries(want))
      expect([where, statuses[where], statuses[`${where}, TLS`]]).toEqual([where, status, status]);
  });

  test("and everything failed that was to fail", async () => {
    const { statuses } = disturbed.caller;
    const good = Object.entries(statuses).filter(([, status]) => status === 200);
    expect(statuses).toMatchObject({
      "inner failure 0": 500,
      "401 with the key, 0": 401,
      "refused identity": 403,
      "exchange 0": 503,
      "NOPERM 3": 503,
      "WRONGPASS 3": 503,
      "frozen Redis": 503,
      "aborted, stream false": 0,
      "drained stream": 200,
    });
    expect(good.length).toBeGreaterThan(25);
    const log = sidecars.map((each) => each.stderr()).join("");
    for (const line of [
      "no token was to be had",
      "redis breaker opened",
      "request failed inside the sidecar",
      "giving back after a request failed",
      "the process ends by an error that nobody caught",
      "redis.json refused",
      '"msg":"drain"',
    ])
      expect(log).toContain(line);
    for (const each of sidecars.slice(1)) expect(await each.ended).toEqual([1, null]);
  });
});

describe("none of it stands in", () => {
  test.each([
    { name: "a log line", which: (where: string) => where.startsWith("log") },
    { name: "an audit record", which: (where: string) => where.startsWith("audit") },
    {
      name: "metrics, status and probes",
      which: (where: string) => where.startsWith("/") && !where.startsWith("/proc"),
    },
    { name: "argv, environment and limits", which: (where: string) => where.startsWith("/proc") },
    { name: "keys, values and lists of Redis", which: (where: string) => /^Redis (?!file)/.test(where) },
    { name: "RDB, AOF and log of Redis", which: (where: string) => where.startsWith("Redis file") },
    { name: "commands to Redis", which: (where: string) => where === "MONITOR" },
    { name: "a file that the sidecar wrote", which: (where: string) => where.startsWith("file of the sidecar") },
  ])("$name", ({ name, which }) => {
    expect(leaksIn(which)).toEqual([]);
    if (!name.startsWith("a file")) expect(outputs.some(([where]) => which(where))).toBe(true);
  });

  test("an answer, but of what its own caller sent, and of what the provider said to it", () => {
    const leaks = disturbed.caller.heard.flatMap(({ where, text, allowed }: Heard) =>
      search.find(where, text, allowed),
    );
    expect(leaks.map(inWords)).toEqual([]);
  });

  test("a file at all: the sidecar writes none", () => {
    expect(outputs.filter(([where]) => where.startsWith("file of the sidecar")).map(([where]) => where)).toEqual([]);
  });
});
