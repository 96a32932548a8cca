import { expect, test } from "vitest";
import { OperatorSettingsFault, operatorSettings } from "./settings.ts";

const env = {
  SIDEGATE_NAMESPACE: "sidegate-system",
  SIDEGATE_POD: "operator-1",
  SIDEGATE_REDIS_URL: "redis://admin:secret-word@redis:6379",
};
const file = (more: object = {}) => JSON.stringify({ injection: { image: "sidegate:1" }, ...more });
const read = (variables: NodeJS.ProcessEnv, text: string) => operatorSettings(variables, () => text);
const faultOf = (variables: NodeJS.ProcessEnv, text: string): string => {
  try {
    read(variables, text);
  } catch (fault) {
    if (fault instanceof OperatorSettingsFault) return fault.message;
    throw fault;
  }
  return "";
};

test("what the file leaves out has its default", () => {
  const settings = read(env, file());
  expect(settings).toMatchObject({
    watchNamespaces: [],
    deployment: "sidegate-operator",
    webhook: { port: 9443, certificates: "Own" },
    leaderElection: { leaseSeconds: 15, renewSeconds: 10, retrySeconds: 2 },
    redis: { users: "Managed" },
  });
  expect(settings.injection.tokenAudiences).toContain("sidegate");
});

test.each([
  {
    name: "a variable that is missing",
    variables: { ...env, SIDEGATE_POD: undefined },
    text: file(),
    says: ["SIDEGATE_POD must be set"],
  },
  {
    name: "an empty Redis",
    variables: { ...env, SIDEGATE_REDIS_URL: "" },
    text: file(),
    says: ["SIDEGATE_REDIS_URL must be set"],
  },
  {
    name: "a file that is no JSON",
    variables: env,
    text: "{",
    says: ["/etc/sidegate/operator.json cannot be read as JSON"],
  },
  { name: "a field that is unknown", variables: env, text: file({ webhok: {} }), says: ["webhok"] },
  {
    name: "a value out of bounds",
    variables: env,
    text: file({ leaderElection: { leaseSeconds: 1 } }),
    says: ["leaderElection.leaseSeconds"],
  },
  {
    name: "a leader that may act longer than its lease",
    variables: env,
    text: file({ leaderElection: { leaseSeconds: 10, renewSeconds: 10 } }),
    says: ["leaderElection.renewSeconds must be below leaseSeconds"],
  },
  {
    name: "given users without a login for sidecars, or the operator's own would be handed out",
    variables: env,
    text: file({ redis: { users: "Given" } }),
    says: ["SIDEGATE_SIDECAR_REDIS_URL must be set where redis.users is Given"],
  },
  {
    name: "several faults, all at once",
    variables: { SIDEGATE_NAMESPACE: "x" },
    text: file({ injection: {} }),
    says: ["SIDEGATE_POD", "SIDEGATE_REDIS_URL", "injection.image"],
  },
])("$name is refused", ({ variables, text, says }) => {
  const message = faultOf(variables, text);
  for (const part of says) expect(message).toContain(part);
  expect(message).not.toContain("secret-word");
});

test("secrets do not print", () => {
  expect(JSON.stringify(read(env, file()))).not.toContain("secret-word");
});
