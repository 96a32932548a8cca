/** Clients of the Node SDK, made as users make them. */
import OpenAI, { AzureOpenAI } from "openai";
import type { ClientSpec } from "../backends.ts";

/** Makes the client with just the variables of the spec in the environment. `maxRetries` absent: the SDK's own 2. */
export function nodeClient(spec: ClientSpec, options: { maxRetries?: number } = {}): OpenAI {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (/OPENAI/.test(name)) delete process.env[name];
  Object.assign(process.env, spec.env);
  try {
    const retries = options.maxRetries === undefined ? {} : { maxRetries: options.maxRetries };
    if (spec.kind === "OpenAI") return new OpenAI(retries);
    return new AzureOpenAI({ ...retries, ...(spec.endpoint === undefined ? {} : { endpoint: spec.endpoint }) });
  } finally {
    for (const name of Object.keys(spec.env)) delete process.env[name];
    Object.assign(process.env, before);
  }
}
