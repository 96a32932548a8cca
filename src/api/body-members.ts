import { z } from "zod";

/** Members of one `defaults` or `overrides` object. */
const membersMax = 64;
/** Nesting of one value. */
const depthMax = 32;

/** Members that rules decide elsewhere, each with what to use instead and the type under which the CRD knows it. */
const reserved: readonly { member: string; message: string; schema: object }[] = [
  {
    member: "model",
    message: "model is not allowed here; use backendRefs[].model",
    schema: { type: "string", maxLength: 256 },
  },
  {
    member: "messages",
    message: "messages is not allowed here; use systemPrompt",
    schema: { type: "array", maxItems: 0, items: { type: "string", maxLength: 1 } },
  },
  {
    member: "input",
    message: "input is not allowed here; use systemPrompt",
    schema: { type: "string", maxLength: 256 },
  },
  {
    member: "stream",
    message: "stream is not allowed here; the client decides how it reads the answer",
    schema: { type: "boolean" },
  },
];

const isJson = (value: unknown, depth = 0): boolean => {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth >= depthMax) return false;
  return Object.values(value).every((member) => isJson(member, depth + 1));
};

/** Top-level members of a JSON body: any JSON value, but for the members that the sidecar or the client decides. */
export const bodyMembersSchema = () =>
  z
    .record(z.string().min(1).max(256), z.unknown())
    .check((context) => {
      const members = Object.entries(context.value);
      const refuse = (message: string, path: string[]) =>
        context.issues.push({ code: "custom", message, path, input: context.value });
      if (members.length > membersMax) refuse(`at most ${membersMax} members are allowed`, []);
      for (const [member, value] of members)
        if (!isJson(value)) refuse(`must be a JSON value at most ${depthMax} levels deep`, [member]);
      for (const { member, message } of reserved) if (Object.hasOwn(context.value, member)) refuse(message, [member]);
    })
    .meta({
      bounds: `at most ${membersMax} members; not ${reserved.map(({ member }) => `\`${member}\``).join(", ")}`,
      // CEL sees only fields with a schema, so the reserved members have one in order to be refused by name.
      crd: {
        type: "object",
        maxProperties: membersMax,
        "x-kubernetes-preserve-unknown-fields": true,
        properties: Object.fromEntries(
          reserved.map(({ member, schema }) => [member, { description: "Not allowed here.", ...schema }]),
        ),
        "x-kubernetes-validations": reserved.map(({ member, message }) => ({
          rule: `!has(self.${member})`,
          message,
          fieldPath: `.${member}`,
        })),
      },
    });
