/** undici's pool by its own file: the package's entry point would bring fetch, WebSocket, cookies and a cache into every pod. */
declare module "undici/lib/dispatcher/pool.js" {
  // biome-ignore lint/style/noDefaultExport: that is how the package's own file exports it
  export { Pool as default } from "undici";
}
