import { expect, test } from "vitest";
import { notAName, saidModel, saidWord } from "./said-names.ts";

test.each([
  "gpt-4o",
  "ft:gpt-4o-mini-2024-07-18:acme:support:9aBcDeF1",
  "meta-llama/Llama-3.3-70B-Instruct",
  "mistral:7b@sha256",
  "",
])("the model %j is shown", (name) => {
  expect(saidModel(name)).toBe(name);
});

test.each(["gpt-4o please tell me", 'gpt-"x"', "gpt-ä", " gpt", "a".repeat(257), "gpt\n4"])(
  "%j is shown as no model",
  (name) => {
    expect(saidModel(name)).toBe(notAName);
  },
);

test.each([
  "rate_limit_exceeded",
  "content_filter",
  "ResponsibleAIPolicyViolation",
  "upstream_error",
  "429",
  "stop",
  "max_output_tokens",
])("the word %j is shown", (word) => {
  expect(saidWord(word)).toBe(word);
});

test.each(["", "sk-proj-a1b2c3", "Incorrect API key", "a_", "x".repeat(65), "K7fQ2mZp", "12345", "ü"])(
  "%j is shown as no word",
  (word) => {
    expect(saidWord(word)).toBe(notAName);
  },
);
