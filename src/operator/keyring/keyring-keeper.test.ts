import { randomBytes } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { type KubeApi, KubeFault, type KubeObject } from "../../kube/port.ts";
import { encodeKeyring, KeyringFault, newKeyring } from "./keyring.ts";
import { KeyringKeeper, keyringFileName } from "./keyring-keeper.ts";

/** The Secrets of an API server: versions and conflicts as there. Called `before` each write, another writer may come first. */
class Secrets {
  readonly objects = new Map<string, KubeObject>();
  writes = 0;
  before: () => void = () => undefined;
  #version = 0;

  put(object: KubeObject): KubeObject {
    this.#version++;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.objects.set(object.metadata.name, stored);
    return stored;
  }
  api(): Pick<KubeApi, "get" | "create" | "replace"> {
    return {
      get: async (_resource, { name }) => {
        const object = this.objects.get(name);
        if (!object) throw new KubeFault("not found", { status: 404, reason: "NotFound" });
        return object;
      },
      create: async (_resource, object) => {
        this.#race();
        if (this.objects.has(object.metadata.name))
          throw new KubeFault("exists", { status: 409, reason: "AlreadyExists" });
        return this.put(object);
      },
      replace: async (_resource, object) => {
        this.#race();
        const stored = this.objects.get(object.metadata.name);
        if (stored?.metadata.resourceVersion !== object.metadata.resourceVersion)
          throw new KubeFault("conflict", { status: 409, reason: "Conflict" });
        return this.put(object);
      },
    };
  }
  #race(): void {
    this.writes++;
    const { before } = this;
    this.before = () => undefined;
    before();
  }
}

const dayMs = 86_400_000;
let secrets: Secrets;
let clock: FakeClock;
const keeper = (): KeyringKeeper =>
  new KeyringKeeper({
    api: secrets.api() as KubeApi, // the keeper uses these three verbs
    namespace: "sidegate-system",
    secret: "ring",
    rotationDays: 30,
    clock,
    random: randomBytes,
    log: silentLog(),
  });
const stored = (text: string): KubeObject => ({
  metadata: { name: "ring", namespace: "sidegate-system" },
  data: { [keyringFileName]: Buffer.from(text).toString("base64") },
});
beforeEach(() => {
  secrets = new Secrets();
  clock = new FakeClock();
});

test("makes the keyring where there is none, once", async () => {
  const leader = keeper();
  expect(await leader.load()).toBeUndefined();
  const made = await leader.reconcile();
  expect(made.isChanged).toBe(true);
  expect(await leader.reconcile()).toEqual({ keyring: made.keyring, isChanged: false });
  expect(secrets.writes).toBe(1);
  expect(await keeper().load()).toEqual(made.keyring);
});

test("takes the keyring of a leader who was faster", async () => {
  const other = newKeyring(clock.nowMs(), randomBytes);
  secrets.before = () => void secrets.put(stored(encodeKeyring(other)));
  expect((await keeper().reconcile()).keyring).toEqual(other);
});

test("rotates by age, and says so again when the new key comes into force", async () => {
  const leader = keeper();
  await leader.reconcile();
  const made = secrets.objects.get("ring");
  if (made) secrets.put({ ...made, metadata: { ...made.metadata, annotations: { "team.example/kept": "yes" } } });
  clock.advance(30 * dayMs);
  expect(await leader.reconcile()).toMatchObject({ isChanged: true });
  expect(leader.keyring?.keys).toHaveLength(2);
  expect((await leader.reconcile()).isChanged).toBe(false);
  clock.advance(10 * 60_000);
  expect((await leader.reconcile()).isChanged).toBe(true);
  expect(secrets.writes).toBe(2);
  expect(secrets.objects.get("ring")?.metadata).toMatchObject({
    labels: expect.anything(),
    annotations: { "team.example/kept": "yes" },
  });
});

test("does not rotate over another leader's rotation", async () => {
  const [one, other] = [keeper(), keeper()];
  await one.reconcile();
  clock.advance(30 * dayMs);
  const theirs = await other.reconcile();
  expect((await one.reconcile()).keyring).toEqual(theirs.keyring);
  clock.advance(31 * dayMs);
  let winner: Promise<unknown> = Promise.resolve();
  secrets.before = () => {
    winner = Promise.resolve(secrets.put({ ...(secrets.objects.get("ring") ?? stored("")) }));
  };
  const lost = await one.reconcile();
  await winner;
  expect(lost.keyring).toEqual(theirs.keyring);
});

test("makes a new one where the Secret was deleted, and knows the old one until then", async () => {
  const leader = keeper();
  const { keyring } = await leader.reconcile();
  secrets.objects.clear();
  expect(await leader.load()).toBeUndefined();
  expect(leader.keyring).toEqual(keyring);
  const anew = await leader.reconcile();
  expect(anew.isChanged).toBe(true);
  expect(anew.keyring.keys[0]?.id).not.toBe(keyring.keys[0]?.id);
});

test.each([
  { name: "something else", object: stored("{}") },
  { name: "no file", object: { metadata: { name: "ring" } } },
])("never replaces a Secret that holds $name", async ({ object }) => {
  secrets.put(object);
  await expect(keeper().reconcile()).rejects.toThrow(KeyringFault);
  expect(secrets.writes).toBe(0);
});
