/** What a log keeps of an error: enough to find the line, nothing that the code was given. */

/** An error as it is logged. `at`: the stack's lines. */
export interface FaultRecord {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly at: readonly string[];
  readonly cause?: FaultRecord;
  /** Of an AggregateError. */
  readonly errors?: readonly FaultRecord[];
}

const messageCharsMax = 300;
const stackLinesMax = 16;
const depthMax = 4;
const errorsMax = 8;

/**
 * Libraries quote what they were given: `JSON.parse` its text, Node the value it received. What stands from the first to the last quote
 * of a message is left out. Redis quotes without quotes, too: of its replies only the first word stays. The system names files and
 * addresses, which stay.
 */
const messageOf = (fault: Error): string => {
  const { name, message } = fault;
  if ("syscall" in fault && "errno" in fault) return message.slice(0, messageCharsMax);
  if (name === "ReplyError") return /^[A-Z]+\b/.exec(message)?.[0] ?? "";
  const first = message.search(/["'`]/);
  if (first < 0) return message.slice(0, messageCharsMax);
  const last = Math.max(...['"', "'", "`"].map((quote) => message.lastIndexOf(quote)));
  return `${message.slice(0, first)}…${message.slice(last + 1)}`.slice(0, messageCharsMax);
};

/** Lines that name a place; the message stands above them, and may have lines of its own that look like anything. */
const placesOf = ({ stack = "", message }: Error): readonly string[] => {
  const behind =
    message !== "" && stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : stack;
  const lines = behind.split("\n").map((line) => line.trim());
  return lines.filter((line) => line.startsWith("at ")).slice(0, stackLinesMax);
};

/**
 * The record of anything that was thrown. An error's own members are left out: a library puts there what it was given, such as the
 * command with a password, or the bytes that it could not read. Texts that were thrown are left out as well.
 */
export const faultRecord = (fault: unknown, depth = 0): FaultRecord => {
  if (!(fault instanceof Error)) return { type: typeof fault, message: "what was thrown is no Error", at: [] };
  const { code, errors } = fault as Error & { code?: unknown; errors?: unknown }; // checked below
  const isDeep = depth >= depthMax;
  return {
    type: fault.name,
    message: messageOf(fault),
    ...(typeof code === "string" && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) && { code }),
    at: placesOf(fault),
    ...(fault.cause !== undefined && !isDeep && { cause: faultRecord(fault.cause, depth + 1) }),
    ...(Array.isArray(errors) &&
      !isDeep && { errors: errors.slice(0, errorsMax).map((each) => faultRecord(each, depth + 1)) }),
  };
};
