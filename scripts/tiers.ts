/** A tool outside npm that a tier cannot do without. */
export interface Need {
  /** How the tool is called in messages. */
  readonly name: string;
  /** One sentence: how to get it. */
  readonly remedy: string;
}

/** The tools that tiers ask for. */
export type NeedName = "redis" | "python" | "kubernetes" | "cluster";

/** One suite of tests: where its files lie and what it needs. */
export interface Tier {
  readonly name: string;
  readonly include: readonly string[];
  readonly needs: readonly NeedName[];
  /** Tiers of a group run side by side; groups run one after the other, so that pure tests do not disturb those that keep time. */
  readonly group: number;
  /** True: runs only when it is named; `make test` leaves it to `make e2e`. */
  readonly isOnRequest?: boolean;
  /** True: one worker, one file after the other in the order of their names. */
  readonly isSerial?: boolean;
  /** How long a test, or a hook, may take, ms; absent: what vitest.config.ts says. */
  readonly timeoutMs?: number;
  /** File that vitest runs once around the tier; absent or missing: none. */
  readonly globalSetup?: string;
  /** File that vitest runs before each test file; absent or missing: none. */
  readonly setupFile?: string;
}

/** The tools that `needs` names. */
export const needs: Readonly<Record<NeedName, Need>> = {
  redis: {
    name: "redis-server",
    remedy: "Install Redis 7 or newer so that redis-server is on the PATH (Debian: apt-get install redis-server).",
  },
  python: { name: ".venv with the Python SDK", remedy: "Install python3 and python3-venv, then run make test again." },
  kubernetes: {
    name: "etcd and kube-apiserver",
    remedy: "Install Go 1.24 or newer, then run make e2e, which builds them (alone: make cluster-binaries).",
  },
  cluster: {
    name: "cluster",
    remedy: "Run make e2e as root on Linux, or give one: make e2e KUBECONFIG=FILE, or make e2e-kind with Docker.",
  },
};

/** Every suite, in the order of its group. A test file that no row matches would never run: the tidy tests look for such files. */
export const tiers: readonly Tier[] = [
  { name: "tidy", include: ["test/tidy.test.ts", "test/tidy/**/*.test.ts"], needs: [], group: 0 },
  { name: "unit", include: ["src/**/*.test.ts", "cmd/**/*.test.ts", "scripts/**/*.test.ts"], needs: [], group: 0 },
  { name: "golden", include: ["test/golden/**/*.test.ts"], needs: [], group: 0 },
  { name: "property", include: ["test/property/**/*.test.ts"], needs: ["redis"], group: 0 },
  { name: "contract", include: ["test/contract/**/*.test.ts"], needs: ["redis"], group: 1 },
  { name: "integration", include: ["test/integration/**/*.test.ts"], needs: ["redis"], group: 2 },
  { name: "badinput", include: ["test/badinput/**/*.test.ts"], needs: [], group: 2 },
  { name: "faults", include: ["test/faults/**/*.test.ts"], needs: ["redis"], group: 2 },
  { name: "sdk", include: ["test/sdk/**/*.test.ts"], needs: ["redis", "python"], group: 2 },
  // A tenth of each proof, or with SIDEGATE_PROOF=1 the whole: `make proof`.
  {
    name: "proof",
    include: ["test/proof/**/*.test.ts"],
    needs: ["redis"],
    group: 3,
    isSerial: true,
    timeoutMs: 1_800_000,
  },
  {
    name: "apiserver",
    include: ["test/apiserver/**/*.test.ts"],
    needs: ["kubernetes", "redis"],
    group: 4,
    isOnRequest: true,
    timeoutMs: 120_000,
    globalSetup: "test/apiserver/shared-server.ts",
  },
  {
    name: "e2e",
    include: ["test/e2e/**/*.test.ts"],
    needs: ["cluster"],
    group: 5,
    isOnRequest: true,
    isSerial: true,
    timeoutMs: 300_000,
    setupFile: "test/e2e/harness/evidence-on-failure.ts",
  },
];
