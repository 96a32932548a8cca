/** A tool outside npm that a tier cannot do without. */
export interface Need {
  /** How the tool is called in messages. */
  readonly name: string;
  /** One sentence: how to get it. */
  readonly remedy: string;
}

/** One suite of tests: where its files lie and what it needs. */
export interface Tier {
  readonly name: string;
  readonly include: readonly string[];
  readonly needs: readonly ("redis" | "python")[];
  /** Tiers of a group run side by side; groups run one after the other, so that pure tests do not disturb those that keep time. */
  readonly group: number;
}

/** The tools that `needs` names. */
export const needs: Readonly<Record<"redis" | "python", Need>> = {
  redis: {
    name: "redis-server",
    remedy: "Install Redis 7 or newer so that redis-server is on the PATH (Debian: apt-get install redis-server).",
  },
  python: { name: ".venv with the Python SDK", remedy: "Install python3 and python3-venv, then run make test again." },
};

/** Every suite, in the order of its group. A test file that no row matches would never run: the tidy tests look for such files. */
export const tiers: readonly Tier[] = [
  { name: "tidy", include: ["test/tidy.test.ts", "test/tidy/**/*.test.ts"], needs: [], group: 0 },
  { name: "unit", include: ["src/**/*.test.ts", "cmd/**/*.test.ts", "scripts/**/*.test.ts"], needs: [], group: 0 },
  { name: "golden", include: ["test/golden/**/*.test.ts"], needs: [], group: 0 },
  { name: "property", include: ["test/property/**/*.test.ts"], needs: [], group: 0 },
  { name: "contract", include: ["test/contract/**/*.test.ts"], needs: ["redis"], group: 1 },
  { name: "integration", include: ["test/integration/**/*.test.ts"], needs: ["redis"], group: 2 },
  { name: "badinput", include: ["test/badinput/**/*.test.ts"], needs: [], group: 2 },
  { name: "faults", include: ["test/faults/**/*.test.ts"], needs: ["redis"], group: 2 },
  { name: "sdk", include: ["test/sdk/**/*.test.ts"], needs: ["redis", "python"], group: 2 },
];
