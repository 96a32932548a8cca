/** undici's pool by its own file: the package's entry point would bring fetch, WebSocket, cookies and a cache into every pod. */
declare module "undici/lib/dispatcher/pool.js" {
  import type { Pool } from "undici";

  const pool: typeof Pool;
  export = pool;
}
