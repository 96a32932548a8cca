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

/** CPU time of the whole machine, and of this process with those of its children that have ended, in us. */
interface MachineTime {
  readonly atMs: number;
  readonly allUs: number;
  readonly oursUs: number;
}

function machineTime(): MachineTime {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = (
    readFileSync("/proc/stat", "utf8").split("\n")[0] ?? ""
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const allUs = (user + nice + system + irq + softIrq) * tickUs;
  return { atMs: performance.now(), allUs, oursUs: sumOf(statOf("self"), 11, 15) };
}

/** Starts to watch what other processes use; the answer, asked for when all children have ended, is in CPUs (0.1: a tenth of one). */
export function watchOthers(): () => number {
  const before = machineTime();
  return () => {
    const now = machineTime();
    return Math.max(0, now.allUs - before.allUs - (now.oursUs - before.oursUs)) / ((now.atMs - before.atMs) * 1000);
  };
}
