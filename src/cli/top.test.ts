import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { FakeCluster } from "../../test/fixtures/fake-cluster.ts";
import type { KubeApi } from "../kube/port.ts";
import { show, topOptions } from "./top.ts";

const leave = "\u001b[?25h\u001b[?1049l";

class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  text = "";
  write(text: string): void {
    this.text += text;
  }
}

const shown = (list: KubeApi["list"], args: readonly string[] = []) => {
  const end = new AbortController();
  const terminal = new FakeTerminal();
  const options = { ...topOptions(args), namespace: undefined, intervalMs: 1, signal: end.signal };
  return { end, terminal, over: show({ list }, options, terminal) };
};
const never = (): Promise<never> => new Promise(() => undefined);

test("the terminal is given back where the process ends by a fault elsewhere", async () => {
  const { end, terminal, over } = shown(new FakeCluster().api().list);
  await expect.poll(() => terminal.text).toContain("\u001b[?1049h");
  const before = process.listeners("exit");
  before.at(-1)?.(0);
  expect(terminal.text.endsWith(leave)).toBe(true);
  end.abort();
  await over;
  expect(process.listeners("exit")).toEqual(before.slice(0, -1));
});

test("Ctrl-C ends it at once and gives the terminal back, while the cluster does not answer", async () => {
  const api = new FakeCluster().api();
  let looks = 0;
  const { end, terminal, over } = shown((...asked) => {
    looks += 1;
    return looks === 1 ? api.list(...asked) : never();
  });
  await expect.poll(() => looks).toBe(2);
  expect(terminal.text).not.toContain(leave);
  end.abort();
  expect(await over).toBe(true);
  expect(terminal.text.endsWith(leave)).toBe(true);
  expect(terminal.listenerCount("resize")).toBe(0);
});

test.each([{ args: [] }, { args: ["--once"] }, { args: ["-o", "json"] }])(
  "Ctrl-C before the first answer shows nothing, and says so: $args",
  async ({ args }) => {
    const { end, terminal, over } = shown(never, args);
    end.abort();
    expect(await over).toBe(false);
    expect(terminal.text).toBe("");
  },
);
