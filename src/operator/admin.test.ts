import { expect, test } from "vitest";
import { OperatorAdmin, readyPage } from "./admin.ts";

test("readiness lists every check, and only those that count make it fail", () => {
  const well = { name: "informers", fault: () => undefined };
  const redis = { name: "redis", isAdvisory: true, fault: () => "does not answer" };
  expect(readyPage([well, redis])).toMatchObject({
    status: 200,
    text: "[+]informers ok\n[-]redis failed: does not answer\nready\n",
  });
  const certificate = { name: "webhook-certificate", fault: () => "none yet" };
  expect(readyPage([well, certificate])).toMatchObject({
    status: 503,
    text: "[+]informers ok\n[-]webhook-certificate failed: none yet\nnot ready\n",
  });
});

test("the port has three pages, and a page that cannot be made is a 500", async () => {
  const admin = new OperatorAdmin(0, { checks: [], metrics: () => Promise.reject(new Error("broken")) });
  const url = `http://127.0.0.1:${await admin.listen()}`;
  const statusOf = async (path: string): Promise<number> => (await fetch(url + path)).status;
  expect(await Promise.all(["/healthz", "/readyz?verbose", "/metrics", "/else"].map(statusOf))).toEqual([
    200, 200, 500, 404,
  ]);
  await admin.close();
});
