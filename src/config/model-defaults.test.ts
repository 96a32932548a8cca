import { expect, test } from "vitest";
import { modelOf, unknownModel } from "./model-defaults.ts";

test("a name that a client chose finds what the route tells, and nothing that every object has", () => {
  const models = { "gpt-4o": { ...unknownModel, outputTokensMax: 1 } };
  expect(modelOf(models, "gpt-4o")).toBe(models["gpt-4o"]);
  for (const name of ["constructor", "toString", "__proto__", "gpt-5", ""])
    expect(modelOf(models, name)).toBe(undefined);
});
