/** Writes the table of docs/leased.md: `node test/proof/fleet-table.ts`. Takes some minutes. */
import { type FleetFigures, type FleetSetup, simulateFleet } from "./fleet-simulation.ts";

const fleet = { sidecars: 10_000, seconds: 20, warmUpSeconds: 8, limit: 1_000_000_000 } as const;
/** Exact at 100,000 a second: the queue grows without end, so a moment says as much as an hour. */
const rows: readonly (Omit<FleetSetup, "precision"> & { readonly title: string; readonly secondsExact?: number })[] = [
  { ...fleet, title: "0.5 each", perSecond: 0.5, load: "uniform" },
  { ...fleet, title: "2 each", perSecond: 2, load: "uniform" },
  { ...fleet, title: "2 on average, Zipf", perSecond: 2, load: "zipf" },
  { ...fleet, title: "10 each", perSecond: 10, load: "uniform", secondsExact: 10 },
  { ...fleet, title: "2 each, limit 240,000 a minute", perSecond: 2, load: "uniform", limit: 240_000, seconds: 70 },
  { ...fleet, title: "2 on average, Zipf, the same limit", perSecond: 2, load: "zipf", limit: 240_000, seconds: 70 },
];

const percent = (part: number): string => `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
const cells = (figures: FleetFigures): readonly string[] => {
  const { callsPerSecond, utilisation, waitP50Ms, waitP99Ms, waitMaxMs, requests, refused, refusedWithRoom, roomMean } =
    figures;
  const isOver = utilisation >= 1;
  return [
    Math.round(callsPerSecond).toLocaleString("en"),
    percent(utilisation),
    isOver ? "grows" : `${waitP50Ms.toFixed(2)} / ${waitP99Ms.toFixed(2)} / ${waitMaxMs.toFixed(1)} ms`,
    (requests - refused).toLocaleString("en"),
    refused === 0 ? "0" : percent(refused / requests),
    refusedWithRoom === 0 ? "0" : `${percent(refusedWithRoom / refused)}, room ${percent(roomMean)}`,
    `${percent(figures.peakAdmitted)} / ${percent(figures.peakCounted)}`,
  ];
};

const only = process.argv[2];
for (const { title, secondsExact, ...setup } of rows.filter((row) => only === undefined || row.title === only)) {
  for (const precision of ["Exact", "Leased"] as const) {
    const seconds = precision === "Exact" ? (secondsExact ?? setup.seconds) : setup.seconds;
    const figures = await simulateFleet({ ...setup, seconds, precision });
    process.stdout.write(`| ${[title, precision, ...cells(figures)].join(" | ")} |\n`);
  }
}
