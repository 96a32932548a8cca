// What processes cost, read from /proc.
import { readdirSync, readFileSync } from "node:fs";

/** Unit of the times in /proc/PID/stat, in us: 100 a second on every Linux. */
const tickUs = 10_000;

/** Fields of /proc/PID/stat from the state on; none when the process is gone. */
function statOf(pid: number | "self"): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

const sumOf = (fields: readonly string[], from: number, to: number): number =>
  fields.slice(from, to).reduce((sum, field) => sum + Number(field) * tickUs, 0);

/** The process and all its descendants. */
function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))[1] ?? -1);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree: number[] = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] ?? -1) ?? []));
  return tree;
}

/** CPU time of the tree so far (user and system), in us. */
export const cpuUsOf = (pid: number): number => treeOf(pid).reduce((sum, each) => sum + sumOf(statOf(each), 11, 13), 0);

/** Proportional memory of the tree, in MiB. */
export const pssMibOf = (pid: number): number =>
  treeOf(pid).reduce((sum, each) => {
    try {
      const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${each}/smaps_rollup`, "utf8"));
      return sum + Number(line?.[1] ?? 0) / 1024;
    } catch {
      return sum;
    }
  }, 0);

/** CPU time of the whole machine so far, in us. */
function machineUs(): number {
  const fields = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").split(/\s+/).slice(1);
  return sumOf(fields, 0, 3) + sumOf(fields, 5, 7); // without idle, waiting for disks, and what a hypervisor took
}

/**
 * Starts to watch what processes of others use; the answer is in CPUs (0.1: a tenth of one). Ours are this process, `besidePids`, and all
 * children that end in between: nothing else may run at either end.
 */
export function watchOthers(besidePids: readonly number[]): () => number {
  const oursUs = (): number => besidePids.reduce((sum, pid) => sum + cpuUsOf(pid), sumOf(statOf("self"), 11, 15));
  const before = { atMs: performance.now(), othersUs: machineUs() - oursUs() };
  return () => Math.max(0, machineUs() - oursUs() - before.othersUs) / ((performance.now() - before.atMs) * 1000);
}
