/** What the provider keeps or works on later: files, uploads, batches, fine-tuning, vector stores, stored chats. */
import type OpenAI from "openai";
import { toFile } from "openai";
import { all, binary, type Scenario } from "./scenario.ts";

const lines = (...requests: readonly object[]) =>
  toFile(Buffer.from(requests.map((request) => `${JSON.stringify(request)}\n`).join("")), "input.jsonl");
const batchLine = (id: string) => ({
  custom_id: id,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "gpt-4o", messages: [{ role: "user", content: id }] },
});
const upload = async (client: OpenAI, text: string) =>
  client.files.create({ file: await toFile(Buffer.from(text), "notes.txt"), purpose: "assistants" });

const files: readonly Scenario[] = [
  {
    name: "files",
    run: async (client) => {
      const made = await client.files.create({ file: await lines(batchLine("ä")), purpose: "batch" });
      const second = await upload(client, "second");
      const listed = await all(client.files.list({ limit: 1 }));
      const batchFiles = await all(client.files.list({ purpose: "batch" }));
      const got = await client.files.retrieve(made.id);
      const content = await binary(await client.files.content(made.id));
      const deleted = await client.files.delete(made.id);
      return { made, listed, batchFiles, got, content, deleted, rest: await client.files.delete(second.id) };
    },
  },
  {
    name: "uploads",
    run: async (client) => {
      const about = { filename: "big.jsonl", purpose: "batch", mime_type: "application/jsonl" } as const;
      const made = await client.uploads.create({ ...about, bytes: 6 });
      const parts = [await toFile(Buffer.from("abc"), "1"), await toFile(Buffer.from("def"), "2")];
      const ids: string[] = [];
      for (const data of parts) ids.push((await client.uploads.parts.create(made.id, { data })).id);
      const done = await client.uploads.complete(made.id, { part_ids: ids });
      const other = await client.uploads.create({ ...about, bytes: 1 });
      return { made, ids, done, cancelled: await client.uploads.cancel(other.id) };
    },
  },
  {
    name: "batches",
    run: async (client) => {
      const input = await client.files.create({ file: await lines(batchLine("a"), batchLine("b")), purpose: "batch" });
      const ask = { input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
      const made = await client.batches.create({ ...ask, metadata: { run: "1" } });
      const done = await client.batches.retrieve(made.id);
      const output = await (await client.files.content(done.output_file_id ?? "")).text();
      const other = await client.batches.create(ask);
      const cancelled = await client.batches.cancel(other.id);
      return { made, done, output, cancelled, listed: await all(client.batches.list({ limit: 1 })) };
    },
  },
  {
    name: "stored chats",
    run: async (client) => {
      const messages = [{ role: "user" as const, content: "Keep this." }];
      const made = await client.chat.completions.create({ model: "gpt-4o", messages, store: true });
      const got = await client.chat.completions.retrieve(made.id);
      const updated = await client.chat.completions.update(made.id, { metadata: { seen: "yes" } });
      const said = await all(client.chat.completions.messages.list(made.id));
      const listed = await all(client.chat.completions.list({ limit: 1 }));
      return { got, updated, said, listed, deleted: await client.chat.completions.delete(made.id) };
    },
  },
];

const work: readonly Scenario[] = [
  {
    name: "fine-tuning",
    run: async (client) => {
      const file = await client.files.create({ file: await lines({ messages: [] }), purpose: "fine-tune" });
      const ask = { model: "gpt-4o-mini", training_file: file.id, suffix: "mine" };
      const made = await client.fineTuning.jobs.create(ask);
      const paused = await client.fineTuning.jobs.pause(made.id);
      const resumed = await client.fineTuning.jobs.resume(made.id);
      const got = await client.fineTuning.jobs.retrieve(made.id);
      const events = await all(client.fineTuning.jobs.listEvents(made.id, { limit: 2 }));
      const checkpoints = await all(client.fineTuning.jobs.checkpoints.list(made.id));
      const other = await client.fineTuning.jobs.create(ask);
      const cancelled = await client.fineTuning.jobs.cancel(other.id);
      const listed = await all(client.fineTuning.jobs.list({ limit: 1 }));
      return { made, paused, resumed, got, events, checkpoints, cancelled, listed };
    },
  },
  {
    name: "vector stores",
    run: async (client) => {
      const file = await upload(client, "The sky is blue.");
      const made = await client.vectorStores.create({ name: "docs" });
      const attached = await client.vectorStores.files.create(made.id, { file_id: file.id, attributes: { kind: "a" } });
      const state = await client.vectorStores.files.retrieve(file.id, { vector_store_id: made.id });
      const listedFiles = await all(client.vectorStores.files.list(made.id));
      const found = await all(client.vectorStores.search(made.id, { query: "sky" }));
      const batch = await client.vectorStores.fileBatches.create(made.id, { file_ids: [file.id] });
      const updated = await client.vectorStores.update(made.id, { name: "more docs" });
      const got = await client.vectorStores.retrieve(made.id);
      const detached = await client.vectorStores.files.delete(file.id, { vector_store_id: made.id });
      const listed = await all(client.vectorStores.list({ limit: 1 }));
      const deleted = await client.vectorStores.delete(made.id);
      return { made, attached, state, listedFiles, found, batch, updated, got, detached, listed, deleted };
    },
  },
];

/** Uses of the endpoints that keep state. */
export const storedScenarios: readonly Scenario[] = [...files, ...work];
