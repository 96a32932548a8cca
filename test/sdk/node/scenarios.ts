/** Every scenario of the Node suite. */
import { chatScenarios } from "./chat-scenarios.ts";
import { inferenceScenarios } from "./inference-scenarios.ts";
import { responsesScenarios } from "./responses-scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { storedScenarios } from "./stored-scenarios.ts";

/** In the order in which they run: what the fake makes up depends on how many requests came before. */
export const scenarios: readonly Scenario[] = [
  ...chatScenarios,
  ...responsesScenarios,
  ...inferenceScenarios,
  ...storedScenarios,
];
