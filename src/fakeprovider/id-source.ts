const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const noiseLength = 18;
const counterLength = 6;

/** Makes ids that look like the provider's: noise from the seed, and a counter that makes them unique. */
export function idSource(seed: number): (prefix: string) => string {
  let counter = 0;
  return (prefix) => {
    counter += 1;
    let state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(counter, 0x85ebca6b)) >>> 0;
    let id = prefix;
    for (let i = 0; i < noiseLength; i += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      id += alphabet[(state >>> 16) % alphabet.length];
    }
    return id + counter.toString(36).padStart(counterLength, "0");
  };
}
