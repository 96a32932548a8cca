import { expect, test } from "vitest";
import { drain } from "./lifecycle.ts";
import { silentLog } from "./log.ts";

test("steps run one after the other, and one that fails or hangs does not keep the next from running", async () => {
  const ran: string[] = [];
  const step = (name: string, run: () => Promise<void> | void) => ({ name, timeoutMs: 20, run });
  const failed = await drain(
    [
      step("first", async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        ran.push("first");
      }),
      step("throws", () => {
        throw new Error("no");
      }),
      step("hangs", () => new Promise(() => undefined)),
      step("last", () => void ran.push("last")),
    ],
    silentLog(),
  );
  expect(ran).toEqual(["first", "last"]);
  expect(failed).toEqual(["throws", "hangs"]);
});
