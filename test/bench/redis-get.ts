// Reads one key of Redis at a constant rate and prints the latencies as a Distribution in us: what a cache hit costs without us.
// usage: node redis-get.ts PORT KEY SECONDS RATE
import { connect } from "node:net";
import { distributionOf } from "./distribution.ts";

const [port, key = "", seconds, rate] = process.argv.slice(2);
const command = `*2\r\n$3\r\nGET\r\n$${Buffer.byteLength(key)}\r\n${key}\r\n`;
const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
socket.setEncoding("latin1");

/** The whole reply: `$LENGTH\r\n` and so many bytes. */
const get = (): Promise<number> =>
  new Promise((resolve, reject) => {
    let reply = "";
    const sentMs = performance.now();
    const onData = (piece: string): void => {
      reply += piece;
      const head = /^\$(-?\d+)\r\n/.exec(reply);
      if (head?.[1] === "-1") reject(new Error(`no such key: ${key}`));
      if (!head || reply.length < head[0].length + Number(head[1]) + 2) return;
      socket.off("data", onData);
      resolve((performance.now() - sentMs) * 1000);
    };
    socket.on("data", onData);
    socket.write(command);
  });

const latencies: number[] = [];
const startMs = performance.now();
for (let i = 0; i < Number(seconds) * Number(rate); i++) {
  const dueMs = startMs + (i * 1000) / Number(rate);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
  latencies.push(await get());
}
socket.destroy();
process.stdout.write(JSON.stringify(distributionOf(latencies)));
