/** Which backend is asked first, which next: by priority, within one by weight, those that asked for a rest last. */
import type { Clock } from "../../base/clock.ts";
import type { RuleConfig } from "../../config/contract.ts";
import type { Backend } from "./backend.ts";

/** A backend as one rule refers to it. The lower `priority` is asked first; `weight`, above 0, is its share within one. */
export interface Target {
  readonly backend: Backend;
  /** Model or deployment upstream; undefined: as the application named it. */
  readonly model: string | undefined;
  readonly priority: number;
  readonly weight: number;
}

/** Longest rest that a Retry-After buys a backend, in ms. */
export const restMsMax = 60_000;

/** Backends that answered 429 or 503 with Retry-After: they are asked again when that has passed, or when nobody else is left. */
export class Rests {
  readonly #untilMs = new Map<string, number>();
  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
  }
  rest(backend: string, ms: number): void {
    this.#untilMs.set(backend, this.#clock.monotonicMs() + Math.min(ms, restMsMax));
  }
  isResting(backend: string): boolean {
    return (this.#untilMs.get(backend) ?? 0) > this.#clock.monotonicMs();
  }
}

/** The targets of a rule, in the order of their priority. */
export function targetsOf(rule: RuleConfig, backends: ReadonlyMap<string, Backend>): Target[] {
  const targets: Target[] = [];
  for (const ref of rule.backendRefs) {
    const backend = backends.get(ref.name);
    if (backend && ref.weight > 0)
      targets.push({ backend, model: ref.model, priority: ref.priority, weight: ref.weight });
  }
  return targets.sort((a, b) => a.priority - b.priority);
}

/** The order in which to try them. `pinned`: state lives at the first one, so there is no other. */
export function orderTargets(
  targets: readonly Target[],
  options: { pinned: boolean; rests: Rests; random: () => number },
): Target[] {
  if (targets.length <= 1 || options.pinned) return targets.slice(0, 1);
  const left = [...targets];
  const ordered: Target[] = [];
  while (left.length > 0) {
    const priority = left[0]?.priority ?? 0;
    const tier = left.filter((t) => t.priority === priority);
    const chosen = pickByWeight(tier, options.random());
    ordered.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  const isResting = (target: Target): boolean => options.rests.isResting(target.backend.name);
  return [...ordered.filter((t) => !isResting(t)), ...ordered.filter(isResting)];
}

function pickByWeight(tier: readonly Target[], random: number): Target {
  const sum = tier.reduce((total, t) => total + t.weight, 0);
  let point = random * sum;
  let last: Target | undefined;
  for (const target of tier) {
    last = target;
    point -= target.weight;
    if (point < 0) break;
  }
  if (!last) throw new RangeError("a tier has at least one target");
  return last;
}
