import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Hook, startHook } from "../../../test/fixtures/hook.ts";
import { createLog, silentLog } from "../../base/log.ts";
import { Secret } from "../../base/secret.ts";
import { FakeTimers } from "../../kube/timers.ts";
import type { Notice } from "./notice.ts";
import {
  jobsMax,
  jobsOfNamespaceMax,
  Notifier,
  type NotifierOptions,
  postsMax,
  postsOfNamespaceMax,
  triesMax,
} from "./notifier.ts";
import { type PostResult, postJson } from "./post.ts";
import type { Receiver } from "./receivers.ts";

const notice = (id: string, more: Partial<Notice> = {}): Notice => ({
  ...{ id, reason: "QuotaWarning", namespace: "team", quota: "monthly", mode: "Enforce", limit: "usd" },
  ...{ resource: "Cost", subject: "", threshold: 80, used: "400.10", whole: "500.00", remaining: "99.90" },
  ...{ observedAt: "2026-01-20T10:00:00.000Z", until: "2026-02-01T00:00:00Z", message: "limit usd: over 80 %" },
  ...more,
});
const receiver = (url: string, type: Receiver["type"] = "Webhook"): Receiver => ({ type, url: new Secret(url) });

const notifierWith = (more: Partial<NotifierOptions> = {}) => {
  const timers = new FakeTimers();
  const ended: string[] = [];
  const changed: string[] = [];
  const notifier = new Notifier({
    ...{ post: postJson, timers, log: silentLog(), random: () => 1, isLeading: () => true },
    ended: (type, result) => void ended.push(`${type} ${result}`),
    changed: (namespace, quota) => void changed.push(`${namespace}/${quota}`),
    ...more,
  });
  return { notifier, timers, ended, changed };
};

describe("to a real receiver", () => {
  let hook: Hook;
  beforeEach(async () => {
    hook = await startHook();
  });
  afterEach(() => hook.close());
  const until = async (isSo: () => boolean): Promise<void> => {
    const endMs = performance.now() + 3_000;
    while (!isSo() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isSo()).toBe(true);
  };

  test("a Webhook gets the documented body, Slack a text in which nothing is a mention", async () => {
    const { notifier, ended, changed } = notifierWith();
    const message = "limit usd: 400.10 of 500.00 USD used by user=<!channel>&co, over 80 %";
    notifier.offer(notice("a", { message }), [receiver(hook.url), receiver(hook.url, "Slack")]);
    await until(() => changed.length === 1);
    expect(notifier.resultOf("team", "a")).toBe("Sent");
    expect(ended.toSorted()).toEqual(["Slack sent", "Webhook sent"]);
    const bodies = hook.posted.map(({ body }) => body).toSorted((one) => ("text" in one ? 1 : -1));
    expect(bodies).toEqual([
      { version: 1, ...notice("a", { message }) },
      {
        text: "Quota warning: team/monthly, limit usd: 400.10 of 500.00 USD used by user=&lt;!channel&gt;&amp;co, over 80 %",
      },
    ]);
    const [first] = hook.posted;
    expect([first?.method, first?.path, first?.headers["content-type"], first?.headers["user-agent"]]).toEqual([
      ...["POST", "/hooks/secret-path", "application/json", "sidegate"],
    ]);
  });

  test("what may pass is tried again with growing waits, then given up", async () => {
    hook.status = 503;
    const lines: string[] = [];
    const log = createLog({ name: "test", level: "debug", destination: { write: (line) => void lines.push(line) } });
    const { notifier, timers, ended } = notifierWith({ log });
    notifier.offer(notice("a"), [receiver(hook.url)]);
    const waitsMs = [2_000, 4_000, 8_000, 16_000, 32_000];
    for (const [i, ms] of waitsMs.entries()) {
      await until(() => hook.posted.length === i + 1 && timers.pending === 1);
      await timers.pass(ms - 1);
      expect(hook.posted).toHaveLength(i + 1);
      await timers.pass(1);
    }
    await until(() => notifier.resultOf("team", "a") === "Failed");
    expect([hook.posted.length, ended, notifier.pending]).toEqual([triesMax, ["Webhook failed"], 0]);
    expect(lines.join()).toContain("HTTP 503");
    expect(lines.join()).not.toContain("secret-path");
  });

  test("one that comes back gets it", async () => {
    hook.status = 429;
    const { notifier, timers } = notifierWith();
    notifier.offer(notice("a"), [receiver(hook.url)]);
    await until(() => timers.pending === 1);
    hook.status = 204;
    await timers.pass(2_000);
    await until(() => notifier.resultOf("team", "a") === "Sent");
    expect(hook.posted).toHaveLength(2);
  });

  test.each([
    ["a refusal", 404, undefined],
    ["a redirect, which is not followed", 302, "/elsewhere"],
    ["a redirect that would repeat the body", 307, "/elsewhere"],
  ])("%s is final", async (_, status, location) => {
    Object.assign(hook, { status, location });
    const { notifier, timers } = notifierWith();
    notifier.offer(notice("a"), [receiver(hook.url)]);
    await until(() => notifier.resultOf("team", "a") === "Failed");
    expect([hook.posted.length, timers.pending]).toEqual([1, 0]);
  });

  test("one that is not there is tried again; its URL is in no message", async () => {
    const { url } = hook;
    await hook.close();
    expect(await postJson(new Secret(url), "{}")).toEqual({ ok: false, isRetryable: true, why: "ECONNREFUSED" });
    hook = await startHook();
  });

  test("one that is silent is left after five seconds", async () => {
    hook.status = 0;
    const startMs = performance.now();
    expect(await postJson(new Secret(hook.url), "{}")).toMatchObject({
      ok: false,
      isRetryable: true,
      why: "no answer within 5000 ms",
    });
    expect(performance.now() - startMs).toBeLessThan(6_000);
  }, 10_000);
});

describe("the queue", () => {
  /** A receiver that answers when it is told to. */
  const slow = () => {
    const waiting: { body: { id: string; namespace: string }; end: (result: PostResult) => void }[] = [];
    const post = (_: Secret, text: string) =>
      new Promise<PostResult>((end) => {
        waiting.push({ body: JSON.parse(text), end });
      });
    return { waiting, post };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  test("a notice is sent once, however often it is offered, also when it has ended", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    for (let i = 0; i < 3; i++) notifier.offer(notice("a"), [receiver("https://x")]);
    expect(waiting).toHaveLength(1);
    waiting[0]?.end({ ok: true });
    await settle();
    notifier.offer(notice("a"), [receiver("https://x")]);
    expect([waiting.length, notifier.resultOf("team", "a")]).toEqual([1, "Sent"]);
  });

  test("is bounded: what finds no room can be offered again", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    const offer = (namespace: string, id: string): void =>
      notifier.offer(notice(id, { namespace }), [receiver("https://x")]);
    const namespaces = Array.from({ length: jobsMax / jobsOfNamespaceMax }, (_, i) => `ns-${i}`);
    for (const namespace of namespaces)
      for (let i = 0; i < jobsOfNamespaceMax + 5; i++) offer(namespace, `${namespace}/${i}`);
    offer("another", "a");
    expect(notifier.pending).toBe(jobsMax);
    waiting[0]?.end({ ok: true });
    await settle();
    offer("another", "a");
    expect(notifier.pending).toBe(jobsMax);
  });

  test("one namespace cannot fill it: its share is bounded, and the others have room", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    const two = [receiver("https://x"), receiver("https://y")];
    for (let i = 0; i < jobsOfNamespaceMax; i++) notifier.offer(notice(`n${i}`), two);
    expect(notifier.pending).toBe(jobsOfNamespaceMax);
    notifier.offer(notice("other", { namespace: "other" }), two);
    expect(notifier.pending).toBe(jobsOfNamespaceMax + 2);
    expect(waiting.map(({ body }) => body.namespace)).toEqual(["team", "team", "other", "other"]);
    waiting[0]?.end({ ok: true });
    await settle();
    notifier.offer(notice("late"), [receiver("https://x")]);
    expect(notifier.pending).toBe(jobsOfNamespaceMax + 2);
  });

  test("what waits for another try counts for its namespace, too", async () => {
    const { post, waiting } = slow();
    const { notifier, timers } = notifierWith({ post });
    for (let i = 0; i < jobsOfNamespaceMax; i++) notifier.offer(notice(`n${i}`), [receiver("https://x")]);
    for (let i = 0; i < jobsOfNamespaceMax; i++) {
      waiting[i]?.end({ ok: false, isRetryable: true, why: "HTTP 503" });
      await settle();
    }
    expect(timers.pending).toBe(jobsOfNamespaceMax);
    notifier.offer(notice("late"), [receiver("https://x")]);
    expect(notifier.pending).toBe(jobsOfNamespaceMax);
  });

  test("namespaces take turns, however many one has waiting", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    const offer = (namespace: string, count: number): void => {
      for (let i = 0; i < count; i++)
        notifier.offer(notice(`${namespace}-${i}`, { namespace }), [receiver("https://x")]);
    };
    // All places are taken, and then three have something to say.
    for (let i = 0; i < postsMax; i++) offer(`first-${i}`, 1);
    offer("loud", 50);
    offer("quiet", 3);
    offer("calm", 2);
    for (let i = 0; i < 6; i++) {
      waiting[i]?.end({ ok: true });
      await settle();
    }
    expect(waiting.slice(postsMax).map(({ body }) => body.namespace)).toEqual([
      ...["loud", "quiet", "calm", "loud", "quiet", "calm"],
    ]);
  });

  test("slow receivers of one namespace do not keep the others waiting", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    for (let i = 0; i < 50; i++) notifier.offer(notice(`slow-${i}`), [receiver("https://x")]);
    expect(waiting).toHaveLength(postsOfNamespaceMax);
    for (let i = 0; i < 20; i++) notifier.offer(notice(`n${i}`, { namespace: `ns-${i}` }), [receiver("https://x")]);
    expect(waiting).toHaveLength(postsMax);
    for (let i = 0; i < 70; i++) {
      waiting[i]?.end({ ok: true });
      await settle();
    }
    expect([waiting.length, notifier.pending]).toEqual([70, 0]);
  });

  test("one of two receivers that fails makes it Failed, when both have ended", async () => {
    const { post, waiting } = slow();
    const { notifier } = notifierWith({ post });
    notifier.offer(notice("a"), [receiver("https://x"), receiver("https://y")]);
    waiting[0]?.end({ ok: false, isRetryable: false, why: "HTTP 404" });
    await settle();
    expect(notifier.resultOf("team", "a")).toBeUndefined();
    waiting[1]?.end({ ok: true });
    await settle();
    expect(notifier.resultOf("team", "a")).toBe("Failed");
  });

  test("who leads no more sends nothing; leading again it may be offered anew", () => {
    const { post, waiting } = slow();
    let isLeading = false;
    const { notifier } = notifierWith({ post, isLeading: () => isLeading });
    notifier.offer(notice("a"), [receiver("https://x")]);
    expect([waiting.length, notifier.pending]).toEqual([0, 0]);
    isLeading = true;
    notifier.offer(notice("a"), [receiver("https://x")]);
    expect(waiting).toHaveLength(1);
  });
});
