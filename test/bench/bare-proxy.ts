// The least that a proxy in Node can do: node:http in, undici's dispatch out, bytes passed on as they come.
// usage: node bare-proxy.ts PORT UPSTREAM_ORIGIN
import { createServer, type ServerResponse } from "node:http";
import { type Dispatcher, Pool } from "undici";

const [port, origin = ""] = process.argv.slice(2);
const pool = new Pool(origin, { connections: 1024, pipelining: 1 });

const passOn = (response: ServerResponse): Dispatcher.DispatchHandler => ({
  onRequestStart(controller) {
    response.once("close", () => {
      if (!response.writableFinished) controller.abort(new Error("the client went away"));
    });
  },
  onResponseStart(_controller, status, headers) {
    response.writeHead(status, { "content-type": String(headers["content-type"] ?? "application/octet-stream") });
  },
  onResponseData(controller, chunk) {
    if (response.write(chunk)) return;
    controller.pause();
    response.once("drain", () => controller.resume());
  },
  onResponseEnd: () => void response.end(),
  onResponseError: () => void response.destroy(),
});

const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces);
    const headers = { "content-type": "application/json", authorization: "Bearer key" };
    pool.dispatch({ path: request.url ?? "/", method: "POST", headers, body }, passOn(response));
  });
});
server.keepAliveTimeout = 75_000;
server.listen(Number(port), "127.0.0.1", 4096);
