import { inspect } from "node:util";
import { expect, test } from "vitest";
import { Secret } from "./secret.ts";

test("a secret prints as *** wherever it is put", () => {
  const secret = new Secret("sk-canary");
  const seen = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 5, showHidden: true }),
    Object.keys(secret).join(),
  ];
  expect(seen.join(" ")).not.toContain("canary");
  expect(secret.reveal()).toBe("sk-canary");
});
