// What a call is charged when the provider's usage is missing or cannot be believed: fault 19.
import { afterEach, describe, expect, test } from "vitest";
import { chargedTokens, shortTimeouts } from "../fixtures/bad-input.ts";
import { ask, bothWays, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
const start = async (reservation: string): Promise<void> => {
  const limit = "{name: tph, resource: TotalTokens, limit: 1000000, window: {type: Fixed, duration: 1h}}";
  gateway = await startTestGateway({
    yaml: (url) =>
      openRoute(url, { rule: shortTimeouts, quotas: quotaYaml([limit], { extra: `reservation: ${reservation}` }) }),
  });
};
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});

/** What was held for the last call, in tokens. */
const held = (): number => {
  const intent = gateway.audit.records.findLast((record) => record.record === "intent");
  const tokens = intent?.heldTokens as { input: number; output: number } | undefined;
  return tokens ? tokens.input + tokens.output : Number.NaN;
};
const endpoints = ["chat", "responses"] as const;
const cases = bothWays.flatMap((way) => endpoints.map((endpoint) => ({ ...way, endpoint })));

describe.each(cases)("fault 19: $endpoint, $how,", ({ streamed, endpoint }) => {
  const body = endpoint === "chat" ? { max_tokens: 500 } : { max_output_tokens: 500 };

  test.each(["none", "negative", "huge"])("with usage=%s is charged what was held", async (usage) => {
    await start("{onUnknownUsage: ChargeReserved}");
    const answer = await ask(gateway, { streamed, endpoint, fake: `usage=${usage}`, body });
    expect(answer.status).toBe(200);
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: null });
  });

  test.each(["none", "negative", "huge"])(
    "with usage=%s is charged what was seen, where the quota says so and it was streamed",
    async (usage) => {
      await start("{onUnknownUsage: ChargeObserved}");
      await ask(gateway, { streamed, endpoint, fake: `usage=${usage}`, body });
      await expectSettled(gateway);
      const charged = await chargedTokens(gateway);
      if (streamed) expect(charged).toBeLessThan(held() - 400);
      else expect(charged).toBe(held());
      expect(charged).toBeGreaterThan(8);
    },
  );

  test("with its usage told twice is charged once", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed, endpoint, fake: "usage=twice", body });
    await expectSettled(gateway);
    const usage = lastOutcome(gateway).usage as { totalTokens: number };
    expect(usage.totalTokens).toBeLessThan(50);
    expect(await chargedTokens(gateway)).toBe(usage.totalTokens);
  });

  test("with more output than was held is charged what the provider reports", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed, endpoint, fake: "reasoning=2000", body });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBeGreaterThan(2000);
  });
});
