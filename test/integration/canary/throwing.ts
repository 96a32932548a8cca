/**
 * Loaded into the sidecar's process: makes parts of it fail with the errors that libraries throw, which carry what they were given
 * (ioredis: the command, Node: the input, JSON.parse: the text). SIDEGATE_TEST_CANARIES names a file with the texts they carry.
 */
import { readFileSync } from "node:fs";

const [prompt = "", secret = "", rejected = ""] = JSON.parse(
  readFileSync(process.env["SIDEGATE_TEST_CANARIES"] ?? "", "utf8"),
) as string[];

const parseFault = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (fault) {
    return fault;
  }
};

/** An error with all that libraries put on theirs. */
const laden = (): Error => {
  const reply = Object.assign(new Error(`ERR unknown command 'x', with args beginning with: '${secret}'`), {
    command: { name: "auth", args: ["sidecar", secret] },
  });
  reply.name = "ReplyError";
  const parsed = Object.assign(parseFault(`${secret} ${prompt}`) as Error, { input: prompt, cause: reply });
  return Object.assign(new AggregateError([reply, parsed], "several"), {
    cause: parsed,
    data: Buffer.from(prompt),
    body: { prompt, headers: { authorization: `Bearer ${secret}` } },
  });
};

const stringify = JSON.stringify;
const isRecord = (value: unknown, kind: string): boolean =>
  typeof value === "object" && value !== null && "record" in value && value.record === kind;
let fails = "";
JSON.stringify = ((value: unknown, ...more: []) => {
  const model = typeof value === "object" && value !== null && "model" in value ? String(value.model) : "";
  if (isRecord(value, "intent") && model === "gpt-inner-failure") throw laden();
  if (isRecord(value, "outcome") && model === "gpt-inner-failure" && fails === "") {
    fails = "once";
    throw laden();
  }
  return stringify(value, ...more);
}) as typeof JSON.stringify;

process.on("SIGUSR2", () => {
  setImmediate(() => {
    throw laden();
  });
});
process.on("SIGHUP", () => {
  const fault = Object.assign(new Error("rejected"), { command: { args: [rejected] } });
  void Promise.reject(fault);
});
