import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/fixtures/calls.ts";
import { selfSigned } from "../../../test/fixtures/certificate.ts";
import { createLog } from "../../base/log.ts";
import { PodPort } from "./pod-port.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const { cert, key } = selfSigned();
const tls = { certificate: cert, key, minVersion: "TLSv1.2" } as const;

const portOn = (port: number): { pod: PodPort; log: string[]; turns: () => number } => {
  const log: string[] = [];
  let turns = 0;
  const pod = new PodPort({
    address: { host: "::", port },
    take: () => undefined,
    refused: () => undefined,
    turned: () => turns++,
    log: createLog({ name: "test", level: "info", destination: { write: (line) => void log.push(line) } }),
    retryMs: 10,
  });
  ends.push(() => pod.close());
  return { pod, log, turns: () => turns };
};

test("a port that is taken is a fault that is shown, tried again, and gone when it is free", async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, "::", resolve));
  const { port } = squatter.address() as import("node:net").AddressInfo; // it listens on TCP
  const { pod, log, turns } = portOn(port);

  await pod.want(tls);
  expect(pod.address).toBeNull();
  expect(pod.fault).toBe(`port ${port} on :: cannot be opened: listen EADDRINUSE: address already in use :::${port}`);
  expect(turns()).toBe(1);
  expect(log.join("")).toContain("cannot be opened, trying again");

  await new Promise((resolve) => squatter.close(resolve));
  await until("it is open", () => pod.address !== null);
  expect(pod.fault).toBeUndefined();
});

test("taken back while it cannot be had: not tried again, and no fault", async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, "::", resolve));
  const { port } = squatter.address() as import("node:net").AddressInfo; // it listens on TCP
  const { pod } = portOn(port);
  await pod.want(tls);
  await pod.want(undefined);
  expect(pod.fault).toBeUndefined();
  await new Promise((resolve) => squatter.close(resolve));
  await new Promise((resolve) => setTimeout(resolve, 50)); // five times the time to the next try
  expect(pod.address).toBeNull();
});

test("wanted and taken back in the same breath, it ends as was asked last", async () => {
  const { pod } = portOn(0);
  const opening = pod.want(tls);
  const closing = pod.want(undefined);
  await Promise.all([opening, closing]);
  expect(pod.address).toBeNull();

  const wishes = [pod.want(tls), pod.want(undefined), pod.want(tls)];
  await Promise.all(wishes);
  expect(pod.address).not.toBeNull();
});

test("after the end it is not opened again", async () => {
  const { pod } = portOn(0);
  await pod.want(tls);
  pod.stopAccepting();
  await pod.want(tls);
  expect(pod.address).toBeNull();
});
