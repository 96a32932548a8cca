/** An ordered end: named steps, one after the other, each within its bound; a step that fails does not keep the next from it. */
import type { Log } from "./log.ts";

/** One step of an ordered end. When `run` throws or rejects, the step counts as failed and the next one begins. */
export interface DrainStep {
  readonly name: string;
  /** Longest this step may take, in ms; then the next one begins. */
  readonly timeoutMs: number;
  readonly run: () => Promise<void> | void;
}

/** Runs the steps in their order and answers the names of those that failed or ran out of time. */
export async function drain(steps: readonly DrainStep[], log: Log): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const [index, step] of steps.entries()) {
    log.info({ step: index + 1, of: steps.length, name: step.name }, "drain");
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), step.timeoutMs);
    });
    try {
      const ended = await Promise.race([Promise.resolve(step.run()).then(() => "done" as const), limit]);
      if (ended === "late") failed.push(step.name);
    } catch (err) {
      failed.push(step.name);
      log.error({ err, name: step.name }, "drain step failed");
    } finally {
      clearTimeout(timer);
    }
  }
  return failed;
}
