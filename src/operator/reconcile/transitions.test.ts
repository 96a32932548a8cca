import { expect, test } from "vitest";
import type { Condition } from "../../api/conditions.ts";
import { changedConditions, timeText, withTransitions } from "./transitions.ts";

const condition = (status: Condition["status"], reason: Condition["reason"]): Condition => ({
  type: "Programmed",
  status,
  reason,
  message: "m",
});
const nowMs = Date.UTC(2026, 10, 21, 7, 0, 0, 900);
const old = "2026-01-01T00:00:00Z";

test("a condition keeps its time as long as its status stays, whatever the reason", () => {
  const before = [{ type: "Programmed", status: "False", reason: "Reconciling", lastTransitionTime: old }];
  expect(withTransitions([condition("False", "PartiallyProgrammed")], before, nowMs)[0]?.lastTransitionTime).toBe(old);
});

test("a status that turns gets the time of now, in whole seconds", () => {
  const before = [{ type: "Programmed", status: "False", reason: "Reconciling", lastTransitionTime: old }];
  expect(withTransitions([condition("True", "Programmed")], before, nowMs)[0]?.lastTransitionTime).toBe(
    "2026-11-21T07:00:00Z",
  );
});

test("what stands there may be anything: it is then as if nothing stood there", () => {
  for (const before of [
    [null],
    ["x"],
    [{ type: "Programmed" }],
    [{ type: "Accepted", status: "True", lastTransitionTime: old }],
  ])
    expect(withTransitions([condition("True", "Programmed")], before, nowMs)[0]?.lastTransitionTime).toBe(
      timeText(nowMs),
    );
});

test("a changed status or reason is worth an Event, a changed message is not", () => {
  const before = [{ type: "Programmed", status: "False", reason: "Reconciling", message: "other" }];
  expect(changedConditions([condition("False", "Reconciling")], before)).toHaveLength(0);
  expect(changedConditions([condition("False", "PartiallyProgrammed")], before)).toHaveLength(1);
  expect(changedConditions([condition("True", "Programmed")], before)).toHaveLength(1);
  expect(changedConditions([condition("True", "Programmed")], [])).toHaveLength(1);
});

test("where the message names what is at fault, another one is worth an Event", () => {
  const old = {
    type: "ResolvedRefs",
    status: "False",
    reason: "SecretKeyMissing",
    message: "Secret keys has no key a",
  };
  const now = { type: "ResolvedRefs", status: "False", reason: "SecretKeyMissing" } as const;
  expect(changedConditions([{ ...now, message: "Secret keys has no key a" }], [old])).toHaveLength(0);
  expect(changedConditions([{ ...now, message: "Secret keys has no key b" }], [old])).toHaveLength(1);
  const refused = { type: "CredentialsAccepted", status: "False", reason: "CredentialRefused" } as const;
  expect(changedConditions([{ ...refused, message: "b" }], [{ ...refused, message: "a" }])).toHaveLength(1);
  const mended = { type: "CredentialsAccepted", status: "True", reason: "CredentialsAccepted" } as const;
  expect(changedConditions([{ ...mended, message: "b" }], [{ ...mended, message: "a" }])).toHaveLength(0);
});
