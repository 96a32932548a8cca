import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callerValuesMax } from "../config/caller.ts";
import { whenCharsMax } from "../config/quota.ts";
import { compileCondition, conditionCharsMax, conditionValuesMax } from "./condition.ts";
import type { ConditionFacts } from "./facts.ts";

const facts: ConditionFacts = {
  identity: {
    ...{ namespace: "team", serviceAccount: "bot", pod: "bot-1", app: "chat" },
    ...{ user: "alice", tenant: "", clientKey: "ci-7", roles: ["admin"], groups: ["dev", "eu-ops", "oncall"] },
  },
  request: { model: "gpt-4o-mini", endpoint: "ChatCompletions", streamed: true, sourceIP: "10.1.2.3" },
};

const answerOf = (text: string, about: ConditionFacts = facts): boolean | undefined | string => {
  const compiled = compileCondition(text);
  return "fault" in compiled ? compiled.fault : compiled.condition(about);
};

test("the bounds are those of the resources and of callers", () => {
  expect(conditionCharsMax).toBe(whenCharsMax);
  expect(conditionValuesMax).toBe(callerValuesMax);
});

test.each([
  ["true", true],
  ["false", false],
  ["identity.tenant != 'internal'", true],
  ["identity.tenant == ''", true],
  ["identity.user == 'alice'", true],
  ['identity.user == "bob"', false],
  ["identity.user in ['bob', 'alice']", true],
  ["!(identity.user in ['bob', 'carol'])", true],
  ["identity.namespace == 'team' && identity.serviceAccount == 'bot'", true],
  ["identity.pod.startsWith('bot-')", true],
  ["identity.pod.endsWith('-2') || identity.app == 'chat'", true],
  ["identity.clientKey == 'ci-7'", true],
  ["'admin' in identity.roles", true],
  ["'oncall' in identity.groups && !('ops' in identity.groups)", true],
  ["identity.groups.exists(g, g.startsWith('eu-'))", true],
  ["identity.groups.all(g, g.contains('o'))", false],
  ["identity.groups.exists_one(g, g.endsWith('l'))", true],
  ["['gpt-4o', 'o3'].exists(m, request.model.startsWith(m))", true],
  ["size(identity.groups) >= 3 && identity.roles.size() < 2", true],
  ["identity.groups.exists(g, g == 'dev') && identity.roles.exists(g, g == 'dev')", false],
  ["request.model == 'gpt-4o-mini' ? request.streamed : false", true],
  ["request.endpoint in ['ChatCompletions', 'Responses']", true],
  ["request.sourceIP.startsWith('10.')", true],
  ["request.streamed", true],
  ["request.streamed == false", false],
  ["identity.user < 'b'", true],
  ["// who\nidentity.user == 'alice'", true],
  ["r'a\\b' == 'a\\\\b'", true],
  ["'\\u00e9' == 'é'", true],
  ["-1 < 0", true],
  [Array.from({ length: 100 }, () => "true").join("&&"), true],
])("%s is %s", (text, answer) => {
  expect(answerOf(text)).toBe(answer);
});

test.each([
  ["", "column 1: Unexpected token: EOF"],
  ["identity.user = 'a'", "column 15: Unexpected character: ="],
  ["identity.user == 'a", "column 18: Unterminated string"],
  ["identity.user == 'a' and true", "column 22: "],
  ["identity.user ==", "column 17: Unexpected token: EOF"],
  ["user == 'a'", "column 1: there is no user; there are identity and request"],
  ["identity.name == 'a'", "column 10: No such key: name"],
  ["identity.tenants == 'a'", "column 10: No such key: tenants"],
  ["request.body == 'a'", "column 9: No such key: body"],
  ["request.headers == 'a'", "column 9: No such key: headers"],
  ["identity", "column 1: name a member of identity, such as identity.user"],
  ["request == request", "column 1: name a member of request, such as request.model"],
  ["identity.user", "is of type string; it must be true or false"],
  ["1", "is of type int; it must be true or false"],
  ["identity.user == 1", "column 1: no such overload: string == int"],
  ["identity.user == true", "column 1: no such overload: string == bool"],
  ["request.streamed == 'true'", "column 1: no such overload: bool == string"],
  ["identity.user && true", "bool"],
  ["identity.user == null", "column 18: only texts, whole numbers, true and false"],
  ["1.5 > 1.0", "column 1: only texts, whole numbers, true and false"],
  ["b'a' == b'a'", "column 1: only texts, whole numbers, true and false"],
  ["identity.groups == ['a']", "column 1: identity.groups is a list; write 'a' in identity.groups"],
  ["['a'] == ['a']", "column 1: a list can stand after in"],
  ["'a' in identity.user", "column 8: identity.user is no list"],
  ["has(identity.tenant)", "column 1: has() is not needed: what is not known is ''"],
  ["identity.user.matches('^(a+)+$')", "matches() cannot be used in a condition; there are =="],
  ["identity.user + 'a' == 'b'", "'+' cannot be used in a condition"],
  ["1 / 0 == 1", "'/' cannot be used in a condition"],
  ["identity.groups[0] == 'a'", "'[]' cannot be used in a condition"],
  ["identity['user'] == 'a'", "'[]' cannot be used in a condition"],
  ["{'a': 'b'} == {'a': 'b'}", "maxMapEntries"],
  ["{} == {}", "'{}' cannot be used in a condition"],
  ["identity.?user == 'a'", "column 10: "],
  ["identity.groups.map(g, g) == []", "map() cannot be used in a condition"],
  ["identity.groups.filter(g, true).exists(g, true)", "here stands a list"],
  ["identity.groups.exists(g, identity.roles.exists(r, r == g))", "exists() cannot stand inside of another loop"],
  ["identity.groups.exists(g, g in identity.roles)", "identity.roles cannot stand inside of a loop"],
  ["identity.groups.exists(identity, identity == 'a')", "column 24: a loop's variable needs a name of its own"],
  ["identity.groups.exists(1, true)", "exists(var, predicate) invalid predicate iteration variable"],
  ["identity.groups.exists(g, g == 'a') && g == 'a'", "there is no g"],
  ["size(identity.user) > 3", "identity.user is no list"],
  ["string(1) == '1'", "string() cannot be used in a condition"],
  ["dyn(identity.user) == 1", "dyn() cannot be used in a condition"],
  ["timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')", "timestamp() cannot be used"],
  ["cel.bind(x, 'a', x == 'a')", "maxCallArguments"],
  ["google.protobuf.Timestamp == int", "only identity and request have members"],
  ["type(identity.user) == string", "type() cannot be used in a condition"],
  ["true\n  && identity.user == 3", "line 2, column 6: no such overload: string == int"],
  [`${"(".repeat(40)}true${")".repeat(40)}`, "column 33: Exceeded maxDepth (32)"],
  [`identity.user in [${Array.from({ length: 65 }, (_, i) => `'${i}'`).join()}]`, "maxListElements"],
  [
    `identity.groups.all(g, ${Array.from({ length: 9 }, () => "g!='a'").join("&&")})`,
    "loops ask too much of each entry",
  ],
  ["a".repeat(1025), "has 1025 characters, at most 1024 are allowed"],
])("%s is refused: %s", (text, says) => {
  expect(answerOf(text)).toContain(says);
});

test("a caller with more groups than the contract allows cannot be told", () => {
  const groups = Array.from({ length: conditionValuesMax + 1 }, (_, i) => `g${i}`);
  expect(answerOf("true", { ...facts, identity: { ...facts.identity, groups } })).toBeUndefined();
});

test("what it reads is known by name", () => {
  const compiled = compileCondition("identity.tenant == '' || identity.groups.exists(g, g == identity.user)");
  expect("names" in compiled && [...compiled.names].sort()).toEqual([
    "identity.groups",
    "identity.tenant",
    "identity.user",
  ]);
});

describe("whatever is written", () => {
  /** The longest that parsing or asking may take, in ms; on a busy machine the best of three counts. */
  const msMax = 5;
  const msOf = (work: () => unknown): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3 && best > msMax; round++) {
      const startMs = performance.now();
      work();
      best = Math.min(best, performance.now() - startMs);
    }
    return best;
  };
  const large: ConditionFacts = {
    identity: {
      ...facts.identity,
      groups: Array.from({ length: conditionValuesMax }, (_, i) => `${"a".repeat(250)}${i}`),
      roles: Array.from({ length: conditionValuesMax }, (_, i) => `${"b".repeat(250)}${i}`),
    },
    request: { ...facts.request, model: "a".repeat(256) },
  };
  const word = fc.constantFrom(
    ..."identity request . user groups roles model exists all exists_one map filter size has matches".split(" "),
    ..."startsWith contains in ( ) [ ] { } , ? : && || ! == != < + - * / % 'a' 1 1u 1.5 true null g . .? b'' r''".split(
      " ",
    ),
    ..."identity.user identity.groups identity.groups.exists(g, g.matches( dyn( type( cel.bind( x __proto__ constructor".split(
      " ",
    ),
    ..."(a+)+$ '\\ \" // \n ` \u0000 é 0x 1e999 99999999999999999999 toString hasOwnProperty duration( [[ ((((((((".split(
      " ",
    ),
  );
  const garbage = fc.array(word, { maxLength: 60 }).map((words) => words.join(" "));
  const glued = fc.array(word, { maxLength: 60 }).map((words) => words.join(""));

  test("nothing is thrown, and nothing takes long", () => {
    fc.assert(
      fc.property(fc.oneof(garbage, glued, fc.string({ unit: "binary", maxLength: 1100 })), (text) => {
        expect(msOf(() => compileCondition(text))).toBeLessThan(msMax);
        const compiled = compileCondition(text);
        if ("fault" in compiled) expect(compiled.fault).not.toBe("");
        else expect(msOf(() => compiled.condition(large))).toBeLessThan(msMax);
      }),
      { numRuns: 1_000 },
    );
  });

  /** Conditions with what they mean. */
  interface Meant {
    readonly text: string;
    readonly holds: (about: ConditionFacts) => boolean;
  }
  const quoted = fc.constantFrom("alice", "bob", "", "dev", "it's", 'say "hi"', "ä\\n");
  const literal = (value: string): string => JSON.stringify(value);
  const scalar = fc.constantFrom("user", "tenant", "app", "clientKey");
  const simple: fc.Arbitrary<Meant> = fc.oneof(
    fc.tuple(scalar, quoted, fc.boolean()).map(([name, value, isEqual]) => ({
      text: `identity.${name} ${isEqual ? "==" : "!="} ${literal(value)}`,
      holds: ({ identity }: ConditionFacts) => (identity[name] === value) === isEqual,
    })),
    fc.tuple(quoted, fc.constantFrom("groups", "roles")).map(([value, list]) => ({
      text: `${literal(value)} in identity.${list}`,
      holds: ({ identity }: ConditionFacts) => identity[list].includes(value),
    })),
    fc.tuple(quoted, fc.constantFrom("exists", "all")).map(([value, loop]) => ({
      text: `identity.groups.${loop}(g, g.startsWith(${literal(value)}))`,
      holds: ({ identity: { groups } }: ConditionFacts) =>
        loop === "all" ? groups.every((g) => g.startsWith(value)) : groups.some((g) => g.startsWith(value)),
    })),
  );
  const meant: fc.Arbitrary<Meant> = fc.letrec<{ any: Meant }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      simple,
      tie("any").map(({ text, holds }) => ({ text: `!(${text})`, holds: (about: ConditionFacts) => !holds(about) })),
      fc.tuple(tie("any"), tie("any"), fc.boolean()).map(([one, other, isAnd]) => ({
        text: `(${one.text}) ${isAnd ? "&&" : "||"} (${other.text})`,
        holds: (about: ConditionFacts) =>
          isAnd ? one.holds(about) && other.holds(about) : one.holds(about) || other.holds(about),
      })),
    ),
  })).any;
  const anybody = fc
    .record({
      user: quoted,
      tenant: quoted,
      app: quoted,
      clientKey: quoted,
      roles: fc.array(quoted),
      groups: fc.array(quoted),
    })
    .map((identity): ConditionFacts => ({ ...facts, identity: { ...facts.identity, ...identity } }));

  test("a condition holds for those whom it means, and for nobody else", () => {
    fc.assert(
      fc.property(meant, anybody, ({ text, holds }, about) => {
        fc.pre(text.length <= conditionCharsMax);
        expect(answerOf(text, about)).toBe(holds(about));
      }),
      { numRuns: 2_000 },
    );
  });
});
