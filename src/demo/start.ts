/** Starts the demo: its resources, and a fake provider where OpenAI is not to be called. */
import { startFakeProvider } from "../fakeprovider/provider.ts";
import type { SourceFile } from "../resources/document.ts";
import { callersGuide, callersResources } from "./callers.ts";
import { type DemoProvider, demoGuide, demoResources } from "./resources.ts";

/** What the demo is started with. */
export interface DemoOptions {
  /** Undefined: a fake provider is started. */
  readonly openAIKey: string | undefined;
  readonly identity: { readonly namespace: string; readonly serviceAccount: string };
  /** An issuer whose tokens callers must send; undefined: anybody may call. */
  readonly issuer: string | undefined;
}

/** A running demo. */
export interface Demo {
  readonly files: readonly SourceFile[];
  /** Commands to try, for the addresses of the proxy and of the admin port. */
  guide(url: string, adminUrl: string): string;
  close(): Promise<void>;
}

/** Rejects where no port is free for the fake provider. */
export const startDemo = async ({ openAIKey, identity, issuer }: DemoOptions): Promise<Demo> => {
  const fake = openAIKey === undefined ? await startFakeProvider() : undefined;
  const provider: DemoProvider = fake
    ? { endpoint: `${fake.url}/v1`, key: "sk-demo" }
    : { endpoint: "https://api.openai.com/v1", key: openAIKey ?? "" };
  const providerText = fake
    ? `and calls a fake provider on ${fake.url} (set OPENAI_API_KEY for the real one)`
    : "and calls OpenAI with your OPENAI_API_KEY";
  const text = issuer === undefined ? demoResources(provider, identity) : callersResources(provider, identity, issuer);
  return {
    files: [{ path: "demo", text }],
    guide: (url, adminUrl) =>
      issuer === undefined
        ? demoGuide(url, adminUrl, providerText)
        : callersGuide({ url, adminUrl, issuer, providerText }),
    close: async () => fake?.close(),
  };
};
