// Runs before each e2e file: a test that fails leaves behind what the cluster knows, before its namespace goes.
import { afterEach } from "vitest";
import { collectEvidence } from "./evidence.ts";

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await collectEvidence(`${task.file.name.replace(/^.*\//, "")} ${task.name}`);
});
