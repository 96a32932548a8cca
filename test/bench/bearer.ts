// What verifying a bearer token adds: two sidecars with the same config but for `identity`, the same requests to both, in turns.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { callerClaims, callerIssuer, callerSigner, callerToken } from "../fixtures/caller-tokens.ts";
import { medianOf } from "./distribution.ts";
import { ask, chatUrl, serialLatencyOf, throughputOf } from "./loads.ts";
import { cpuUsOf } from "./proc.ts";
import { freePort, type Running } from "./processes.ts";
import { type Place, startSidecar } from "./targets.ts";

/** RS256, the issuer's keys fetched before, no cache of verdicts; all in us. */
export interface BearerCost {
  /** Latency of requests that come one after another, p50: median of the rounds. */
  readonly without: number;
  readonly with: number;
  /** Median of the rounds' differences. */
  readonly added: number;
  /** CPU time of the sidecar for each request of the throughput run, as for a small request: median of the rounds' differences. */
  readonly addedCpu: number;
}

/** A sidecar that serves. */
interface Started {
  readonly url: string;
  readonly pid: number;
}
/** What it needed for a request, in us. */
interface Round {
  readonly p50: number;
  readonly cpuUs: number;
}

const rounds = 5;
/** Of a round. */
const throughputSeconds = 2;
const readyMsMax = 20_000;

/** Starts both, measures them in turns, `seconds` in all for each, and ends them. Throws when one does not serve. */
export async function measureBearer(place: Place, seconds: number): Promise<BearerCost> {
  const signer = callerSigner("RS256");
  const issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: [signer.jwk] })));
  await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
  const address = issuer.address();
  const jwksURL = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/jwks`;
  const identity = `{require: Bearer, issuers: [{issuer: "${callerIssuer}", jwksURL: "${jwksURL}", audiences: [sidegate-acme], claims: {tenant: org.id, roles: realm_access.roles, groups: groups}}]}`;
  const authorization = `Bearer ${callerToken(signer, callerClaims(Date.now()))}`;
  const running: Running[] = [];
  try {
    const plain = await startedAt(place, running, authorization, undefined);
    const proving = await startedAt(place, running, authorization, identity);
    const headers = ["cache-control: no-store", `authorization: ${authorization}`]; // sent to both
    const roundOf = async ({ url, pid }: Started): Promise<Round> => {
      const { p50 } = await serialLatencyOf(url, place.folder, seconds / rounds, headers);
      const usedUs = cpuUsOf(pid);
      const { requests } = await throughputOf(url, place.folder, throughputSeconds, authorization);
      return { p50, cpuUs: (cpuUsOf(pid) - usedUs) / requests };
    };
    for (const started of [plain, proving]) await roundOf(started); // warm-up
    const pairs: { readonly without: Round; readonly with: Round }[] = [];
    while (pairs.length < rounds) pairs.push({ without: await roundOf(plain), with: await roundOf(proving) });
    return {
      without: medianOf(pairs.map((pair) => pair.without.p50)),
      with: medianOf(pairs.map((pair) => pair.with.p50)),
      added: medianOf(pairs.map((pair) => pair.with.p50 - pair.without.p50)),
      addedCpu: medianOf(pairs.map((pair) => pair.with.cpuUs - pair.without.cpuUs)),
    };
  } finally {
    await Promise.all(running.map((each) => each.stop()));
    issuer.close();
  }
}

async function startedAt(
  place: Place,
  running: Running[],
  authorization: string,
  identity: string | undefined,
): Promise<Started> {
  const port = await freePort();
  const sidecar = startSidecar(port, place, { name: identity ? "bearer" : "no-bearer", identity });
  running.push(sidecar);
  const url = chatUrl(port);
  const startedMs = performance.now();
  for (;;) {
    const { status } = await ask(url, place.folder, { "cache-control": "no-store", authorization });
    if (status === 200) return { url, pid: sidecar.pid };
    if (performance.now() - startedMs > readyMsMax) throw new Error(`bearer: no sidecar (last status ${status})`);
    await sleep(20);
  }
}
