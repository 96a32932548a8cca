import { parseArgs } from "node:util";
import { startFakeProvider } from "./provider.ts";

const usage = "usage: node src/fakeprovider/main.ts [--port N] [--host ADDRESS] [--seed N] [--key KEY]...";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "18080" },
    host: { type: "string", default: "127.0.0.1" },
    seed: { type: "string", default: "1" },
    key: { type: "string", multiple: true },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(`${usage}\n`);
} else {
  const provider = await startFakeProvider({
    port: Number(values.port),
    host: values.host,
    seed: Number(values.seed),
    ...(values.key === undefined ? {} : { keys: values.key }),
  });
  process.stdout.write(`${JSON.stringify({ url: provider.url, port: provider.port })}\n`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void provider.close());
}
