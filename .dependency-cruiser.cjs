// Who may import whom, from two maps. dependency-cruiser does not read TypeScript 7 and would then report "0 modules" and
// success; with swc it sees every import, type-only ones too. scripts/dependencies.ts and the tidy tests watch that it does.

/** Folder of src/ -> the other folders of src/ that it may import. cmd/ may import all of them, and nothing imports cmd/. */
const layers = {
  base: [],
  openai: [],
  api: ["base", "openai", "config"], // config: names and bounds that both sides share
  config: ["base", "openai"],
  condition: ["base"], // a bounded part of CEL: compile checks what sidecars ask
  compile: ["api", "config", "openai", "base", "condition"],
  resources: ["api", "compile", "base", "openai", "config"],
  kube: ["base"], // the API server: list, watch, write, lease; knows none of our kinds
  redis: ["base"], // names of keys, URL, client: what sidecars and the operator share in Redis
  inject: ["base", "api", "config"], // pure: a pod in, a pod with the sidecar out
  operator: ["base", "api", "config", "compile", "openai", "resources", "kube", "redis", "inject"],
  sidecar: ["base", "config", "openai", "redis", "condition"], // nothing that knows Kubernetes: it is in every pod
  fakeprovider: [], // stands alone, so that a mistake of ours is not repeated by the fake that should show it
  demo: ["base", "openai", "api", "config", "compile", "resources", "sidecar", "fakeprovider"],
  cli: [
    "base",
    "openai",
    "api",
    "config",
    "compile",
    "resources",
    "kube",
    "redis",
    "inject",
    "operator",
    "sidecar",
    "fakeprovider",
    "demo",
  ],
};

/** Package -> the only places that may import it. */
const homes = {
  ioredis: "^src/(redis|sidecar/stores/redis)/",
  "@kubernetes/client-node": "^src/kube/",
  fastify: "^src/operator/webhook/",
  "@marcbachmann/cel-js": "^src/condition/",
  undici: "^src/sidecar/upstream/",
  "prom-client": "^src/(sidecar/metrics\\.ts|operator/metrics\\.ts|base/)",
  jose: "^src/sidecar/identity/",
  pino: "^src/base/log\\.ts",
  yaml: "^(src/resources/|src/cli/|src/operator/settings|cmd/generate)",
  zod: "^src/(api|config|inject|redis|operator)/",
};

/** Tests and tools may import what they test with. */
const tests = "(^test/|^scripts/|\\.(test|rows)\\.ts$)";

const layerRules = Object.entries(layers).map(([layer, allowed]) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} may import ${allowed.length > 0 ? allowed.map((name) => `src/${name}`).join(", ") : "nothing else of src"}`,
  severity: "error",
  from: { path: `^src/${layer}/`, pathNot: tests },
  to: { path: "^src/", pathNot: `^src/(${[layer, ...allowed].join("|")})/` },
}));

const homeRules = Object.entries(homes).map(([name, home]) => ({
  name: `home-${name}`,
  comment: `${name} is imported only from ${home}`,
  severity: "error",
  from: { path: "^(src|cmd)/", pathNot: `(${home}|${tests})` },
  to: { path: `(^|/)node_modules/${name}/` },
}));

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...layerRules,
    ...homeRules,
    {
      name: "layer-unknown",
      comment: "a new folder of src/ needs a row in the map of layers",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/(${Object.keys(layers).join("|")})/` },
      to: {},
    },
    {
      name: "cmd-is-the-top",
      comment: "nothing imports cmd/",
      severity: "error",
      from: { pathNot: "^cmd/" },
      to: { path: "^cmd/" },
    },
    {
      name: "no-tests-in-the-product",
      comment: "src/ and cmd/ do not import tests, fixtures or tools",
      severity: "error",
      from: { path: "^(src|cmd)/", pathNot: tests },
      to: { path: tests },
    },
    {
      name: "no-development-packages-in-the-product",
      comment: "what src/ and cmd/ import must be a dependency; cmd/build.ts runs at build time only",
      severity: "error",
      from: { path: "^(src|cmd)/", pathNot: `(${tests}|^cmd/(build|generate)\\.ts$)` },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-orphans",
      comment: "a file that nothing imports and that imports nothing",
      severity: "error",
      from: { orphan: true, path: "^src/", pathNot: "\\.d\\.ts$" },
      to: {},
    },
    { name: "no-barrels", severity: "error", from: {}, to: { path: "/index\\.ts$", pathNot: "node_modules" } },
  ],
  options: {
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^test/tidy/fixtures/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
