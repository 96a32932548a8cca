import { expect, test } from "vitest";
import { parseClaimPath } from "./claim-path.ts";

test.each([
  ["sub", ["sub"]],
  ["realm_access.roles", ["realm_access", "roles"]],
  ["cognito:groups", ["cognito:groups"]],
  ['["https://example.com/roles"]', ["https://example.com/roles"]],
  ['["kubernetes.io"].namespace', ["kubernetes.io", "namespace"]],
  ['a["b.c"]["d"].e', ["a", "b.c", "d", "e"]],
  ["a.b.c.d.e.f.g.h", ["a", "b", "c", "d", "e", "f", "g", "h"]],
])("%s leads from the outside in", (text, names) => {
  expect(parseClaimPath(text)).toEqual(names);
});

test.each(["", ".a", "a.", "a..b", 'a.["b"]', '[""]', "[b]", '["a\\"]', "a b", "$.a", "a.b.c.d.e.f.g.h.i"])(
  "%j leads nowhere",
  (text) => {
    expect(parseClaimPath(text)).toBeUndefined();
  },
);
