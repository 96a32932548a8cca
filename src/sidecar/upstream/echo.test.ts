import { expect, test } from "vitest";
import { bytesWithoutSecrets, secretsIn, withoutSecrets } from "./echo.ts";

test("the value of a credential is secret, its account is not", () => {
  expect(secretsIn(["authorization", "Bearer sk-12345678", "openai-organization", "org-12345678"])).toEqual([
    "sk-12345678",
  ]);
  expect(secretsIn(["api-key", "12345678abc"])).toEqual(["12345678abc"]);
  expect(secretsIn(["authorization", "Bearer x"])).toEqual([]);
});

test("every one of them is taken out of a text, and its neighbours stay", () => {
  expect(withoutSecrets("key sk-12345678 and sk-12345678, ünï", ["sk-12345678"])).toBe("key *** and ***, ünï");
  const bytes = Buffer.from([0xff, 0x00, ...Buffer.from("sk-12345678 ü")]);
  expect([...bytesWithoutSecrets(bytes, ["sk-12345678"])]).toEqual([0xff, 0x00, ...Buffer.from("*** ü")]);
});

test("bytes without any are not copied", () => {
  const bytes = Buffer.from("Incorrect API key provided: sk-12***78");
  expect(bytesWithoutSecrets(bytes, ["sk-12345678"])).toBe(bytes);
});
