import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

let provider: FakeProvider;
let openai: OpenAI;

beforeAll(async () => {
  provider = await startFakeProvider();
  openai = new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1`, maxRetries: 0 });
});
afterAll(() => provider.close());

const uploadLines = async (lines: readonly unknown[], purpose: "batch" | "fine-tune" = "batch") => {
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  return openai.files.create({ purpose, file: await toFile(Buffer.from(text), "input.jsonl") });
};

describe("files", () => {
  test("are uploaded, listed, read and deleted", async () => {
    const bytes = Buffer.from([0, 1, 2, 13, 10, 45, 45, 255]);
    const made = await openai.files.create({ purpose: "vision", file: await toFile(bytes, "x.bin") });
    expect(made).toMatchObject({ object: "file", bytes: 8, filename: "x.bin", status: "processed" });
    const listed = await openai.files.list({ purpose: "vision" });
    expect(listed.data.map(({ id }) => id)).toEqual([made.id]);
    expect((await openai.files.retrieve(made.id)).id).toBe(made.id);
    expect(Buffer.from(await (await openai.files.content(made.id)).arrayBuffer())).toEqual(bytes);
    expect(await openai.files.delete(made.id)).toMatchObject({ deleted: true });
    await expect(openai.files.retrieve(made.id)).rejects.toMatchObject({ status: 404, param: "id" });
  });

  test("for batches must be JSON lines", async () => {
    const file = await toFile(Buffer.from("{}"), "x.txt");
    await expect(openai.files.create({ purpose: "batch", file })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  test("lists page by id", async () => {
    for (let i = 0; i < 3; i += 1) await uploadLines([{}], "fine-tune");
    const ids: string[] = [];
    for await (const file of openai.files.list({ limit: 2, purpose: "fine-tune", order: "asc" })) ids.push(file.id);
    expect(new Set(ids).size).toBe(3);
  });
});

test("an upload in parts becomes a file; the wrong size is refused", async () => {
  const parts = [Buffer.from("hello "), Buffer.from("world")];
  const start = (bytes: number) =>
    openai.uploads.create({ bytes, filename: "a.jsonl", mime_type: "text/jsonl", purpose: "batch" });
  const upload = await start(11);
  const ids: string[] = [];
  for (const part of parts)
    ids.push((await openai.uploads.parts.create(upload.id, { data: await toFile(part, "p") })).id);
  const done = await openai.uploads.complete(upload.id, { part_ids: ids });
  expect(done).toMatchObject({ status: "completed", file: { bytes: 11 } });
  expect(await (await openai.files.content(done.file?.id ?? "")).text()).toBe("hello world");
  const other = await start(5);
  await expect(openai.uploads.complete(other.id, { part_ids: [] })).rejects.toMatchObject({ status: 400 });
  expect((await openai.uploads.cancel(other.id)).status).toBe("cancelled");
});

describe("batches", () => {
  const line = (custom_id: string, body: object, url = "/v1/chat/completions") => ({
    custom_id,
    method: "POST",
    url,
    body,
  });
  const start = (input_file_id: string, endpoint: "/v1/chat/completions" | "/v1/embeddings" = "/v1/chat/completions") =>
    openai.batches.create({ input_file_id, endpoint, completion_window: "24h" });

  test("answer good lines in one file and bad ones in another", async () => {
    const good = { model: "gpt-4o", messages: [{ role: "user", content: "hi" }] };
    const input = await uploadLines([line("a", good), line("b", { model: "gpt-4o" }), line("c", good)]);
    const made = await start(input.id);
    expect(made.status).toBe("validating");
    const done = await openai.batches.retrieve(made.id);
    expect(done).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 2, failed: 1 } });
    const output = (await (await openai.files.content(done.output_file_id ?? "")).text()).trim().split("\n");
    expect(output.map((text) => JSON.parse(text).custom_id)).toEqual(["a", "c"]);
    expect(JSON.parse(output[0] ?? "").response.body.object).toBe("chat.completion");
    const errors = await (await openai.files.content(done.error_file_id ?? "")).text();
    expect(JSON.parse(errors)).toMatchObject({ custom_id: "b", response: { status_code: 400 } });
    expect((await openai.batches.list()).data.map(({ id }) => id)).toContain(made.id);
  });

  test("fail on a line that is no JSON", async () => {
    const made = await start((await uploadLines(["{nope"])).id);
    expect(await openai.batches.retrieve(made.id)).toMatchObject({ status: "failed", errors: { data: [{ line: 1 }] } });
  });

  test("can be cancelled while under way", async () => {
    const made = await start((await uploadLines([{}])).id, "/v1/embeddings");
    expect((await openai.batches.cancel(made.id)).status).toBe("cancelling");
    expect((await openai.batches.retrieve(made.id)).status).toBe("cancelled");
    await expect(openai.batches.cancel(made.id)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  test("need a file that exists", async () => {
    await expect(start("file-nope")).rejects.toMatchObject({ status: 400, param: "input_file_id" });
  });
});

test("a fine-tuning job runs, succeeds and tells its events", async () => {
  const training = await uploadLines([{ messages: [] }], "fine-tune");
  const metadata = { fake: "polls=1" };
  const job = await openai.fineTuning.jobs.create({
    model: "gpt-4o-mini",
    training_file: training.id,
    suffix: "mine",
    metadata,
  });
  expect(job.status).toBe("validating_files");
  expect((await openai.fineTuning.jobs.retrieve(job.id)).status).toBe("running");
  const done = await openai.fineTuning.jobs.retrieve(job.id);
  expect(done.fine_tuned_model).toMatch(/^ft:gpt-4o-mini-2024-07-18:org-fake:mine:/);
  expect((await openai.fineTuning.jobs.listEvents(job.id)).data).toHaveLength(3);
  expect((await openai.fineTuning.jobs.list()).data).toHaveLength(1);
  await expect(openai.fineTuning.jobs.cancel(job.id)).rejects.toMatchObject({ status: 400 });
  const other = await openai.fineTuning.jobs.create({ model: "gpt-4o-mini", training_file: training.id });
  expect((await openai.fineTuning.jobs.cancel(other.id)).status).toBe("cancelled");
  expect(await openai.models.delete(done.fine_tuned_model ?? "")).toMatchObject({ deleted: true });
});

test("a vector store takes files and finds text in them", async () => {
  const file = await openai.files.create({
    purpose: "assistants",
    file: await toFile(Buffer.from("amber river"), "a.txt"),
  });
  const store = await openai.vectorStores.create({ name: "notes" });
  const added = await openai.vectorStores.files.create(store.id, { file_id: file.id, attributes: { year: 2026 } });
  expect(added).toMatchObject({ id: file.id, status: "in_progress" });
  expect((await openai.vectorStores.files.list(store.id)).data[0]?.status).toBe("completed");
  expect(await openai.vectorStores.retrieve(store.id)).toMatchObject({
    status: "completed",
    file_counts: { total: 1 },
  });
  const hits = await openai.vectorStores.search(store.id, { query: "river" });
  expect(hits.data[0]).toMatchObject({ file_id: file.id, score: 1, attributes: { year: 2026 } });
  expect(await openai.vectorStores.files.delete(file.id, { vector_store_id: store.id })).toMatchObject({
    deleted: true,
  });
  expect((await openai.vectorStores.list()).data).toHaveLength(1);
  expect(await openai.vectorStores.delete(store.id)).toMatchObject({ deleted: true });
});
