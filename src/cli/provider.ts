/** `sidegate provider`: the fake provider as a process of its own, to try Sidegate out where no real one can be reached. */
import { startFakeProvider } from "../fakeprovider/provider.ts";
import { parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const providerUsage = `sidegate provider [--host ADDRESS] [--port N] [--key KEY]...
                                     a fake provider that speaks OpenAI's and Azure's wire format; default 127.0.0.1:18080, any key`;

/** Serves until SIGTERM or SIGINT; answers the exit code. Throws UsageFault. */
export async function provider(args: readonly string[]): Promise<number> {
  const { values } = parseOptions({
    args: [...args],
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "18080" },
      key: { type: "string", multiple: true },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageFault("--port must be 0 to 65535");
  const running = await startFakeProvider({ port, host: values.host, ...(values.key && { keys: values.key }) });
  process.stdout.write(`fake provider on ${running.url}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  await running.close();
  return 0;
}
