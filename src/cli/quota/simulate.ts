/** `sidegate quota simulate`: what proposed quotas would have refused, from audit records. */
import { readResources } from "../../resources/read.ts";
import { faultLine } from "../../resources/validate.ts";
import { readSource } from "../files.ts";
import { isJsonOf } from "../namespace.ts";
import { parseOptions, UsageFault } from "../usage.ts";
import { mergedRecords, nothingPassedOver } from "./simulate/merged.ts";
import { Replay } from "./simulate/replay.ts";
import { type Simulated, simulatedJson, simulatedText } from "./simulate/report.ts";

/** Files that are read side by side. */
export const filesMax = 512;

interface SimulateOptions {
  readonly from: readonly string[];
  readonly files: readonly string[];
  readonly isJson: boolean;
}

/** Throws UsageFault. */
export const simulateOptions = (args: readonly string[]): SimulateOptions => {
  const { values } = parseOptions({
    args: [...args],
    options: {
      from: { type: "string", multiple: true, default: [] },
      file: { type: "string", short: "f", multiple: true, default: [] },
      output: { type: "string", short: "o" },
    },
  });
  const { from, file: files } = values;
  if (from.length === 0) throw new UsageFault("--from: name a file of audit records, or - for stdin");
  if (from.length > filesMax) throw new UsageFault(`--from: at most ${filesMax} times; sort them into one file`);
  if (from.filter((path) => path === "-").length > 1 || (from.includes("-") && files.includes("-")))
    throw new UsageFault("-: stdin can be read once");
  if (files.length === 0) throw new UsageFault("-f: name a file with the AIQuotas to try out");
  return { from, files, isJson: isJsonOf(values.output) };
};

/** Replays the records. Throws QuotaCommandFault where a file cannot be read or nobody could enforce a quota, UsageFault for a fault in the resources. */
export const simulate = async ({ from, files }: Omit<SimulateOptions, "isJson">): Promise<Simulated> => {
  const { quotas, routes, faults } = readResources(files.map(readSource));
  const [fault] = faults;
  if (fault) throw new UsageFault(`${faultLine(fault)}\nsidegate validate shows every fault.`);
  if (quotas.length === 0) throw new UsageFault("-f: there is no AIQuota in these files");
  const replay = new Replay(quotas, routes);
  const passedOver = nothingPassedOver();
  for await (const record of mergedRecords(from, passedOver)) await replay.take(record);
  const { tally, routeRemarks, openCount } = replay;
  return { tally, passedOver, quotas, openCount, routeRemarks };
};

/** Prints what it found; answers the exit code: 0 replayed, 1 there was nothing to replay. Throws as `simulate`. */
export async function simulateQuotas(args: readonly string[]): Promise<number> {
  const options = simulateOptions(args);
  const simulated = await simulate(options);
  process.stdout.write(options.isJson ? simulatedJson(simulated) : simulatedText(simulated));
  return simulated.tally.replayed > 0 ? 0 : 1;
}
