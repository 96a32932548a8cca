/** What befalls a sidecar from outside: broken configs, tokens that are refused, an audit that fails, a Redis that goes; and errors in itself. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../fixtures/calls.ts";
import { type Output, pagesOf, redisOutputs } from "./outputs.ts";
import { textIn } from "./planted.ts";
import { type CanarySidecar, startCanarySidecar } from "./sidecar-process.ts";
import { redisJson, type Stage, tokenOf } from "./stage.ts";
import { Caller } from "./traffic.ts";

const chat = "/v1/chat/completions";

/** The sidecar that is disturbed, who calls it, and where its pages go. */
export class Disturbed {
  readonly stage: Stage;
  readonly sidecar: CanarySidecar;
  readonly caller: Caller;
  readonly gathered: Output[];
  /** CLIENT LIST before and after the password was rotated. */
  readonly clients: string[] = [];
  #asked = 0;

  constructor(stage: Stage, sidecar: CanarySidecar, gathered: Output[]) {
    this.stage = stage;
    this.sidecar = sidecar;
    this.gathered = gathered;
    this.caller = new Caller(stage, sidecar.url);
  }

  text(name: string): string {
    return textIn(this.stage.garden, name);
  }
  /** A chat call like no other, so that the cache does not answer it. */
  ask(where: string): Promise<number> {
    const content = `${where} ${++this.#asked} ${this.text("failing message")}`;
    const body = { model: "gpt-4o", messages: [{ role: "user", content }] };
    return this.caller.json(where, chat, body, ["failing message"]);
  }
  async gather(when: string): Promise<void> {
    this.gathered.push(...(await pagesOf(this.sidecar, when)));
  }
  /** Waits until the log has one more line with this. */
  async logged(what: string, act: () => void): Promise<void> {
    const count = (): number => this.sidecar.stderr().split(what).length;
    const before = count();
    act();
    await until(what, () => count() > before);
  }
  statusShows(what: string): Promise<void> {
    return until(`/status shows ${what}`, async () => (await this.sidecar.page("/status")).includes(what));
  }

  /** Broken configs and broken redis.json, each with secrets where none is expected. */
  async reloadBadly(): Promise<void> {
    for (const content of badConfigs(this.stage, this.text("misplaced key"))) {
      await this.logged("config refused", () => this.stage.putConfig(content));
      await this.gather("after a bad config");
    }
    await this.logged("config in force", () => {
      const { route, ...rest } = this.stage.config();
      this.stage.putConfig({ ...rest, route: route && { ...route, policyVersion: "0-again" } });
    });
    for (const place of badPlaces(this.stage.redis.port, this.text("misplaced key")))
      await this.logged("redis.json refused", () => this.stage.putRedis(place));
  }

  /** The pod's token is swapped for one that is refused, and back. */
  async swapIdentity(): Promise<void> {
    const { podToken, signer } = this.stage;
    const foreign = this.text("foreign pod token");
    await this.logged("identity refused", () => podToken.put(tokenOf(signer, foreign, { aud: [foreign] })));
    await this.ask("refused identity");
    await this.gather("with a refused identity");
    podToken.put(`${foreign}.x.y`);
    await this.statusShows("token_malformed").catch(() => this.statusShows("header_malformed"));
    await this.logged("identity verified", () => podToken.put(tokenOf(signer, this.text("pod token"))));
  }

  /** A route whose audit goes to a file that cannot be: the calls are refused. */
  async breakAudit(): Promise<void> {
    const config = this.stage.config();
    const audit = { sink: "File", path: "/proc/none/audit", onFailure: "Deny" } as const;
    this.stage.putConfig({ ...config, route: config.route && { ...config.route, audit } });
    await until("the audit fails", async () => (await this.ask("audit away")) === 503);
    await this.gather("without audit");
    this.stage.putConfig(config);
    await until("the audit is back", async () => (await this.ask("audit back")) === 200);
  }

  /** Redis: a rotated password, no rights, a wrong password, frozen; and back. */
  async disturbRedis(): Promise<void> {
    const { redis } = this.stage;
    const drop = "CLIENT KILL TYPE normal SKIPME yes";
    this.clients.push(await redis.command("CLIENT LIST"));
    this.stage.putRedis(redisJson(redis.port, this.text("next Redis password")));
    await redis.command("ACL SETUSER sidecar resetpass");
    await redis.command(`ACL SETUSER sidecar ${this.stage.passwordHash("next Redis password")}`);
    await redis.command(drop);
    await until("the new password is used", async () => (await this.ask("after the rotation")) === 200, 8_000);
    this.clients.push(await redis.command("CLIENT LIST"));
    await redis.command("ACL SETUSER sidecar resetkeys -@all");
    for (let turn = 0; turn < 4; turn++) await this.ask(`NOPERM ${turn}`);
    await redis.command("ACL SETUSER sidecar resetpass ~* &* +@all");
    await redis.command(drop);
    for (let turn = 0; turn < 4; turn++) await this.ask(`WRONGPASS ${turn}`);
    this.gathered.push(...(await redisOutputs(this.stage)));
    await this.gather("without Redis");
    redis.pause();
    await this.ask("frozen Redis");
    redis.resume();
    await redis.command(`ACL SETUSER sidecar ${this.stage.passwordHash("next Redis password")}`);
    await until("Redis is back", async () => (await this.ask("Redis back")) === 200, 10_000);
  }

  /** SIGTERM while a stream runs. */
  async drain(): Promise<void> {
    this.stage.resetProvider();
    this.stage.provider.script({ every: 150, tokens: 60 });
    const messages = [{ role: "user", content: this.text("drained message") }];
    const body = { model: "azure-gpt", stream: true, messages };
    const running = this.caller.json("drained stream", chat, body, ["drained message"]);
    await sleep(300);
    this.sidecar.signal("SIGTERM");
    await Promise.all([running, this.sidecar.ended]);
  }

  /** Another sidecar, in which libraries throw, and which ends by an error that nobody catches. */
  async failInside(end: NodeJS.Signals): Promise<CanarySidecar> {
    const file = join(this.stage.configFolder, "texts.json");
    writeFileSync(
      file,
      JSON.stringify([this.text("inner failure"), this.text("Redis password"), this.text("provider key")]),
    );
    const failing = await startCanarySidecar(this.stage, {
      preload: resolve(import.meta.dirname, "throwing.ts"),
      env: { SIDEGATE_TEST_CANARIES: file },
    });
    const body = { model: "gpt-inner-failure", messages: [{ role: "user", content: this.text("inner failure") }] };
    const caller = new Caller(this.stage, failing.url);
    for (let turn = 0; turn < 2; turn++) await caller.json(`inner failure ${turn}`, chat, body, ["inner failure"]);
    this.caller.heard.push(...caller.heard);
    Object.assign(this.caller.statuses, caller.statuses);
    this.gathered.push(...(await pagesOf(failing, "after an inner failure")));
    failing.signal(end);
    await failing.ended;
    return failing;
  }
}

const badConfigs = (stage: Stage, key: string): readonly string[] => {
  const good = JSON.parse(JSON.stringify(stage.config())) as Record<string, unknown>;
  const text = JSON.stringify(good);
  const inText = JSON.stringify(key);
  return [
    `{"contractVersion": 2, "route": ${key}`,
    JSON.stringify({ ...good, [key]: key }),
    JSON.stringify({ ...good, keys: key }),
    JSON.stringify({ ...good, keys: [{ id: key, secret: key }] }),
    JSON.stringify({ ...good, quotas: { [key]: [key] } }),
    JSON.stringify({ ...good, contractVersion: key }),
    JSON.stringify({ ...good, subject: { namespace: [key], serviceAccount: key, [key]: 1 } }),
    text.replace('"type":"OpenAI"', `"type":${inText}`),
    text.replaceAll('"type":"Secret"', `"type":"Secret",${inText}:true`),
    text.replace(/"endpoint":"[^"]*"/, `"endpoint":${inText}`),
    text.replace('"backendRefs":[{"name":"main"', `"backendRefs":[{"name":${inText}`),
  ];
};

const badPlaces = (port: number, key: string): readonly string[] => {
  const url = `redis://sidecar:${key}@127.0.0.1:${port}`;
  return [
    `{"url": "${url}`,
    JSON.stringify({ url, [key]: 1 }),
    JSON.stringify({ url: `redis://x:6379/${key}?${key}` }),
    JSON.stringify({ url, ca: key }),
    JSON.stringify({ url: `redis://x:${key}/0` }),
    JSON.stringify({ url: [key] }),
  ];
};
