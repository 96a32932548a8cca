/** The operator ends at every step of its work, and whoever comes next leaves the same state. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configFileName } from "../../src/config/codec.ts";
import { contractVersion } from "../../src/config/contract.ts";
import { isKubeFault, type KubeApi, KubeFault, resources } from "../../src/kube/port.ts";
import type { Operator } from "../../src/operator/operator.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import { interceptedApi, isWrite, mortalApi, requestLine } from "./operator/intercepted-api.ts";
import { configText, MovedClock, Scene, versionsIn } from "./operator/scene.ts";
import { apiOf, podOf, until } from "./operator/stage.ts";

let server: ApiServer;
let api: KubeApi & { close(): void };
const started = new Set<Operator>();
const ending: Promise<unknown>[] = [];

beforeAll(async () => {
  server = await startApiServer();
  await installCrds(server);
  api = await apiOf(server);
}, 60_000);

afterAll(async () => {
  await Promise.all([...ending, ...[...started].map((operator) => operator.stop())]);
  api?.close();
  await server?.stop();
}, 60_000);

const start = async (operator: Operator): Promise<Operator> => {
  started.add(operator);
  await operator.start();
  return operator;
};
/** Ends it. Nobody waits for its port for admissions, which stays some seconds longer. */
const end = async (operator: Operator): Promise<void> => {
  started.delete(operator);
  ending.push(operator.stop());
};
let serial = 0;
const sceneOf = async (): Promise<Scene> => {
  const scene = new Scene(api, `s${++serial}`);
  await scene.make();
  return scene;
};
/** Runs an operator until everything is right. */
const settle = async (scene: Scene): Promise<void> => {
  const operator = await start(scene.operator());
  await scene.right();
  await end(operator);
};

describe("ends at a step, before the write left or before its answer came", () => {
  const stories = [
    { story: "a new route", want: {}, prepare: (scene: Scene) => scene.fill() },
    {
      story: "a changed key",
      want: { key: "sk-second" },
      prepare: async (scene: Scene) => {
        await scene.fill();
        await settle(scene);
        await scene.key("sk-second");
      },
    },
    {
      story: "a deleted route",
      want: { isServed: false },
      prepare: async (scene: Scene) => {
        await scene.fill();
        await settle(scene);
        await api.delete(resources.airoutes, { namespace: scene.namespace, name: "support" });
      },
    },
  ];
  test.each(stories)(
    "$story: the next operator leaves the same",
    async ({ story, want, prepare }) => {
      const run = async (step: number, when: "before" | "after"): Promise<readonly string[]> => {
        const scene = await sceneOf();
        await prepare(scene);
        const mortal = mortalApi(api, step, when);
        const first = await start(scene.operator({ api: mortal.api }));
        await until("its end", async () => mortal.isDead() || (await scene.wrong(want)) === "");
        await end(first);
        await scene.endLease();
        const second = await start(scene.operator({ pod: "two" }));
        await scene.right(want);
        await until("one keyring and one certificate", async () => {
          const { items } = await api.list(resources.secrets, { namespace: scene.system });
          const names = items.map(({ metadata }) => metadata.name).sort();
          return names.join() === "sidegate-keyring,sidegate-webhook";
        });
        await end(second);
        return mortal.steps;
      };
      const steps = await run(Number.POSITIVE_INFINITY, "before");
      console.log(`${story}: ${steps.length} steps: ${steps.map((step) => step.split(" ", 2).join(" ")).join(", ")}`);
      expect(steps.length).toBeGreaterThanOrEqual(4);
      const ends = steps
        .flatMap((_, index) => [[index + 1, "before"] as const, [index + 1, "after"] as const])
        .values();
      const worker = async (): Promise<void> => {
        for (const [step, when] of ends) await run(step, when);
      };
      await Promise.all([worker(), worker(), worker(), worker()]);
    },
    90_000,
  );
});

test("a Secret that somebody edits between our look and our write is written once more, and right", async () => {
  const scene = await sceneOf();
  await scene.fill();
  await settle(scene);
  let conflicts = 0;
  const disturbed = interceptedApi(api, async (request, send) => {
    const { namespace, name = "" } = request;
    if (request.resource.plural !== "secrets" || request.verb !== "patch" || conflicts >= 3) return send();
    const edit = {
      data: { [configFileName(contractVersion)]: Buffer.from(`{"edit":${conflicts}}`).toString("base64") },
    };
    await api.mergePatch(resources.secrets, { namespace, name }, edit);
    return send().catch((fault: unknown) => {
      if (fault instanceof KubeFault && fault.status === 409) conflicts += 1;
      throw fault;
    });
  });
  const operator = await start(scene.operator({ api: disturbed }));
  await scene.key("sk-second");
  await scene.right({ key: "sk-second" });
  expect(conflicts).toBe(3);
  await end(operator);
});

test("a write that was under way when its leader lost the lease changes nothing that the next leader wrote", async () => {
  const scene = await sceneOf();
  await scene.fill();
  await settle(scene);
  const gate = Promise.withResolvers<void>();
  let frozen = false;
  let late: unknown;
  const slow = interceptedApi(api, async (request, send) => {
    if (!isWrite(request) || !frozen) return send();
    if (request.resource.plural !== "secrets") throw new KubeFault("frozen", { status: 0 });
    await gate.promise;
    return send().catch((fault: unknown) => {
      late = fault;
      throw fault;
    });
  });
  const first = await start(scene.operator({ api: slow }));
  await until("leading", async () => first.leader.isLeading());
  await scene.right();
  frozen = true;
  await scene.key("sk-second");
  const second = await start(scene.operator({ pod: "two" }));
  await scene.right({ key: "sk-second" });
  await scene.key("sk-third");
  await scene.right({ key: "sk-third" });
  const before = await versionsIn(scene, api);
  gate.resolve();
  await until("the late answer", async () => late !== undefined);
  expect(late).toMatchObject({ status: 409 });
  await sleep(500);
  expect(await versionsIn(scene, api)).toBe(before);
  await Promise.all([end(first), end(second)]);
}, 40_000);

test("an unused Secret goes ten minutes after its last user, and stays when a user comes back", async () => {
  const scene = await sceneOf();
  await scene.fill();
  const clock = new MovedClock();
  const operator = await start(scene.operator({ clock }));
  await scene.right();
  const isUnused = async (): Promise<boolean> =>
    "sidegate.dev/unused-since" in ((await scene.secrets())[0]?.metadata.annotations ?? {});
  const leave = async (): Promise<void> => {
    await api.delete(resources.airoutes, { namespace: scene.namespace, name: "support" });
    for (const { metadata } of await scene.pods())
      await api.delete(resources.pods, { namespace: scene.namespace, name: metadata.name });
    await until("unused", isUnused);
  };
  /** So much time passes; then the Secret is looked at. */
  const pass = async (minutes: number): Promise<void> => {
    clock.offsetMs += minutes * 60_000;
    for (const { metadata } of await scene.secrets()) {
      const ref = { namespace: scene.namespace, name: metadata.name };
      const touched = api.mergePatch(resources.secrets, ref, { metadata: { labels: { looked: `after-${minutes}` } } });
      await touched.catch((fault: unknown) => {
        if (!isKubeFault(fault, 404)) throw fault; // the operator was quicker
      });
    }
  };
  await leave();
  const [refusing] = await scene.secrets();
  expect(refusing && configText(refusing)).not.toContain("sk-first");
  await pass(9);
  await sleep(500);
  expect(await isUnused()).toBe(true);
  await scene.fill();
  await scene.right();
  await pass(2);
  await sleep(500);
  await scene.right();
  await leave();
  await pass(11);
  await until("no Secret", async () => (await scene.secrets()).length === 0);
  await end(operator);
}, 40_000);

test("a rotated keyring reaches every config: first to be read with, ten minutes later to seal with", async () => {
  const scene = await sceneOf();
  await scene.fill();
  await scene.account("lone");
  const lone = podOf(scene.namespace, "lone-0", "lone");
  await api.create(resources.pods, lone);
  const clock = new MovedClock();
  const orders = async (): Promise<readonly string[]> =>
    (await scene.secrets()).map((secret) => {
      const { keys } = JSON.parse(configText(secret)) as { keys: { id: string }[] }; // our own config
      return keys.map(({ id }) => id).join();
    });
  /** The order in both configs, as the next leader publishes it. */
  const published = async (what: string, isMet: (order: string) => boolean): Promise<string> => {
    const operator = await start(scene.operator({ clock }));
    const order = await until(what, async () => {
      const found = await orders();
      return found.length === 2 && new Set(found).size === 1 && isMet(found[0] ?? "") && found[0];
    });
    await end(operator);
    return order;
  };
  const old = await published("both configs", (order) => !order.includes(","));
  clock.offsetMs += 31 * 24 * 3_600_000;
  const announced = await published("the announced key", (order) => order.startsWith(`${old},`));
  const young = announced.slice(old.length + 1);
  clock.offsetMs += 11 * 60_000;
  await published("the new order", (order) => order === `${young},${old}`);
}, 40_000);

test("pods of contract versions that this release does not know keep nobody from the current one", async () => {
  const scene = await sceneOf();
  await scene.fill();
  for (const contract of ["0", "99", "x"]) await scene.pod(`odd-${contract}`, { "sidegate.dev/contract": contract });
  const operator = await start(scene.operator());
  await scene.right();
  await scene.key("sk-second");
  await scene.right({ key: "sk-second" });
  const [secret] = await scene.secrets();
  const files = Object.keys(secret?.["data"] as object); // a Secret's data
  expect(files).toContain(configFileName(contractVersion));
  expect(files).not.toContain(configFileName(99));
  expect(files).not.toContain(configFileName(0));
  await end(operator);
});

test("a quiet operator writes nothing but its lease", async () => {
  const scene = await sceneOf();
  await scene.fill();
  await settle(scene);
  const writes: string[] = [];
  const seen = interceptedApi(api, (request, send) => {
    if (isWrite(request) && request.resource.plural !== "leases") writes.push(requestLine(request));
    return send();
  });
  const operator = await start(scene.operator({ api: seen }));
  await until("leading", async () => operator.leader.isLeading());
  await sleep(3_000);
  expect(writes).toEqual([]);
  await end(operator);
});
