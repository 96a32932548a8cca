import type { JsonObject } from "./json-values.ts";
import { objectOf } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import { behaviourFromText } from "./knobs.ts";

const plain: Behaviour = Object.freeze({});
const prefix = "fake:";
/** Texts whose `times` are counted at most; past that counting starts anew. */
const countedTextsMax = 10_000;

/** Decides how each request is answered: scripted steps first, then what the request itself asks for. */
export class BehaviourSource {
  #steps: { behaviour: Behaviour; left: number }[] = [];
  #counts = new Map<string, number>();

  /** Appends steps; a step with `times: N` lasts N requests, else one. */
  script(steps: readonly Behaviour[]): void {
    for (const behaviour of steps) this.#steps.push({ behaviour, left: behaviour.times ?? 1 });
  }

  reset(): void {
    this.#steps = [];
    this.#counts.clear();
  }

  /** The next scripted behaviour, absent when the script is empty. */
  takeScripted(): Behaviour | undefined {
    while (this.#steps[0]?.left === 0) this.#steps.shift();
    const step = this.#steps[0];
    if (step === undefined) return undefined;
    step.left -= 1;
    return step.behaviour;
  }

  /** Behaviour for the text a request carries. @throws BehaviourFault */
  fromText(text: string | undefined): Behaviour {
    if (text === undefined) return plain;
    const behaviour = behaviourFromText(text);
    if (behaviour.times === undefined) return behaviour;
    const seen = this.#counts.get(text) ?? 0;
    if (this.#counts.size >= countedTextsMax) this.#counts.clear();
    this.#counts.set(text, seen + 1);
    return seen < behaviour.times ? behaviour : plain;
  }
}

/** The text in a body that asks for a behaviour: `user`, `safety_identifier` or `metadata.fake`, beginning with `fake:`. */
export function askedInBody(json: JsonObject): string | undefined {
  const user = json.user ?? json.safety_identifier;
  if (typeof user === "string" && user.startsWith(prefix)) return user.slice(prefix.length);
  const noted = json.metadata === undefined ? undefined : objectOf(json.metadata).fake;
  if (typeof noted !== "string") return undefined;
  return noted.startsWith(prefix) ? noted.slice(prefix.length) : noted;
}
