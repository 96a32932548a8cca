import { describe, expect, test } from "vitest";
import { Breaker, consecutiveFailuresMax, outcomesCounted, probeDelay } from "./breaker.ts";

const watched = () => {
  const heard: string[] = [];
  const breaker = new Breaker({
    opened: (reason, isAgain) => heard.push(`opened ${reason}${isAgain ? " again" : ""}`),
    closed: () => heard.push("closed"),
  });
  return { breaker, heard };
};
const times = (count: number, act: () => void): void => {
  for (let i = 0; i < count; i++) act();
};

describe("a breaker", () => {
  test("opens at the fifth failure in a row and says so once", () => {
    const { breaker, heard } = watched();
    times(consecutiveFailuresMax - 1, () => breaker.failed("timeout"));
    expect(breaker.state).toBe("Closed");
    times(3, () => breaker.failed("timeout"));
    expect(breaker.state).toBe("Open");
    expect(heard).toEqual(["opened timeout"]);
  });

  test("opens when half of twenty outcomes were failures, and not before there were twenty", () => {
    const { breaker } = watched();
    times(outcomesCounted / 2 - 1, () => {
      breaker.failed("timeout");
      breaker.succeeded();
    });
    breaker.failed("timeout");
    expect(breaker.state).toBe("Closed");
    breaker.failed("timeout");
    expect(breaker.state).toBe("Open");
  });

  test("stays closed with fewer failures than half", () => {
    const { breaker } = watched();
    times(100, () => {
      breaker.failed("timeout");
      breaker.succeeded();
      breaker.succeeded();
    });
    expect(breaker.state).toBe("Closed");
  });

  test("answered a probe, the next success closes it and clears what it remembered", () => {
    const { breaker, heard } = watched();
    times(outcomesCounted, () => breaker.failed("timeout"));
    breaker.succeeded();
    expect(breaker.state).toBe("Open");
    breaker.probed();
    expect(breaker.state).toBe("HalfOpen");
    breaker.succeeded();
    expect(breaker.state).toBe("Closed");
    times(consecutiveFailuresMax - 1, () => breaker.failed("timeout"));
    expect(breaker.state).toBe("Closed");
    expect(heard).toEqual(["opened timeout", "closed"]);
  });

  test("answered a probe, one failure opens it again", () => {
    const { breaker, heard } = watched();
    times(consecutiveFailuresMax, () => breaker.failed("timeout"));
    breaker.probed();
    breaker.failed("READONLY");
    expect(breaker.state).toBe("Open");
    expect(heard).toEqual(["opened timeout", "opened READONLY again"]);
  });

  test("is probed after 1 to 4 s", () => {
    expect([0, 0.5, 1].map((random) => probeDelay(() => random))).toEqual([1_000, 2_500, 4_000]);
  });
});
