// What five quotas leave of the throughput: two sidecars with the same config but for them, one after the other, in turns.
import { setTimeout as sleep } from "node:timers/promises";
import type { QuotaSet } from "./config.ts";
import { medianOf } from "./distribution.ts";
import { ask, chatUrl, throughputOf } from "./loads.ts";
import { freePort, type Running } from "./processes.ts";
import { type Place, startSidecar } from "./targets.ts";

/** Requests/s on one core with five quotas and with none, and the first as a share of the second; medians. */
export interface QuotaShare {
  readonly five: number;
  readonly none: number;
  readonly share: number;
}

const turns = 3;
/** So long V8 goes on compiling what is hot. */
const warmUpSeconds = 12;
const readyMsMax = 20_000;

/** Throws when a sidecar does not start or its requests fail. */
export async function measureQuotaShare(place: Place, seconds: number): Promise<QuotaShare> {
  const running: Running[] = [];
  try {
    const urls = { none: await startedAt(place, running, "none"), five: await startedAt(place, running, "five") };
    for (const url of Object.values(urls)) await throughputOf(url, place.folder, warmUpSeconds);
    const pairs: { readonly five: number; readonly none: number }[] = [];
    for (let turn = 0; turn < turns; turn++)
      pairs.push({ none: await rpsOf(urls.none, place, seconds), five: await rpsOf(urls.five, place, seconds) });
    return {
      five: medianOf(pairs.map(({ five }) => five)),
      none: medianOf(pairs.map(({ none }) => none)),
      share: medianOf(pairs.map(({ five, none }) => five / none)),
    };
  } finally {
    await Promise.all(running.map((each) => each.stop()));
  }
}

async function rpsOf(url: string, place: Place, seconds: number): Promise<number> {
  const seen = await throughputOf(url, place.folder, seconds);
  return seen.requests / seen.seconds;
}

async function startedAt(place: Place, running: Running[], quotas: QuotaSet): Promise<string> {
  const port = await freePort();
  running.push(startSidecar(port, place, { name: `quotas-${quotas}`, quotas }));
  const url = chatUrl(port);
  for (const startedMs = performance.now(); ; ) {
    const { status } = await ask(url, place.folder, { "cache-control": "no-store" });
    if (status === 200) return url;
    if (performance.now() - startedMs > readyMsMax) throw new Error(`quotas: no sidecar (last status ${status})`);
    await sleep(20);
  }
}
