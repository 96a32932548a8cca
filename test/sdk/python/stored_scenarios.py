"""What the provider keeps or works on later: files, uploads, batches, fine-tuning, vector stores, stored chats."""

import json

from scenario import all_of, binary, got, scenario


def lines(*requests):
    text = "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests)
    return ("input.jsonl", text.encode())


def batch_line(name):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": name}]}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


async def upload(client, text):
    return await got(client.files.create(file=("notes.txt", text.encode()), purpose="assistants"))


@scenario("files")
async def files(client):
    made = await got(client.files.create(file=lines(batch_line("ä")), purpose="batch"))
    second = await upload(client, "second")
    listed = await all_of(client.files.list(limit=1))
    batch_files = await all_of(client.files.list(purpose="batch"))
    answer = await got(client.files.retrieve(made.id))
    content = binary(await got(client.files.content(made.id)))
    deleted = [await got(client.files.delete(one.id)) for one in (made, second)]
    seen = {"made": made, "listed": listed, "batch_files": batch_files}
    return {**seen, "got": answer, "content": content, "deleted": deleted}


@scenario("uploads")
async def uploads(client):
    about = {"filename": "big.jsonl", "purpose": "batch", "mime_type": "application/jsonl"}
    made = await got(client.uploads.create(**about, bytes=6))
    parts = [await got(client.uploads.parts.create(made.id, data=data)) for data in (b"abc", b"def")]
    done = await got(client.uploads.complete(made.id, part_ids=[part.id for part in parts]))
    other = await got(client.uploads.create(**about, bytes=1))
    return {"made": made, "parts": parts, "done": done, "cancelled": await got(client.uploads.cancel(other.id))}


@scenario("batches")
async def batches(client):
    file = await got(client.files.create(file=lines(batch_line("a"), batch_line("b")), purpose="batch"))
    ask = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = await got(client.batches.create(**ask, metadata={"run": "1"}))
    done = await got(client.batches.retrieve(made.id))
    output = (await got(client.files.content(done.output_file_id))).text
    other = await got(client.batches.create(**ask))
    cancelled = await got(client.batches.cancel(other.id))
    listed = await all_of(client.batches.list(limit=1))
    return {"made": made, "done": done, "output": output, "cancelled": cancelled, "listed": listed}


@scenario("stored chats")
async def stored_chats(client):
    messages = [{"role": "user", "content": "Keep this."}]
    made = await got(client.chat.completions.create(model="gpt-4o", messages=messages, store=True))
    answer = await got(client.chat.completions.retrieve(made.id))
    updated = await got(client.chat.completions.update(made.id, metadata={"seen": "yes"}))
    said = await all_of(client.chat.completions.messages.list(made.id))
    listed = await all_of(client.chat.completions.list(limit=1))
    deleted = await got(client.chat.completions.delete(made.id))
    return {"got": answer, "updated": updated, "said": said, "listed": listed, "deleted": deleted}


@scenario("fine-tuning")
async def fine_tuning(client):
    file = await got(client.files.create(file=lines({"messages": []}), purpose="fine-tune"))
    jobs = client.fine_tuning.jobs
    ask = {"model": "gpt-4o-mini", "training_file": file.id, "suffix": "mine"}
    made = await got(jobs.create(**ask))
    paused = await got(jobs.pause(made.id))
    resumed = await got(jobs.resume(made.id))
    answer = await got(jobs.retrieve(made.id))
    events = await all_of(jobs.list_events(made.id, limit=2))
    checkpoints = await all_of(jobs.checkpoints.list(made.id))
    other = await got(jobs.create(**ask))
    cancelled = await got(jobs.cancel(other.id))
    listed = await all_of(jobs.list(limit=1))
    moves = {"made": made, "paused": paused, "resumed": resumed, "got": answer, "cancelled": cancelled}
    return {**moves, "events": events, "checkpoints": checkpoints, "listed": listed}


@scenario("vector stores")
async def vector_stores(client):
    file = await upload(client, "The sky is blue.")
    stores = client.vector_stores
    made = await got(stores.create(name="docs"))
    attached = await got(stores.files.create(made.id, file_id=file.id, attributes={"kind": "a"}))
    state = await got(stores.files.retrieve(file.id, vector_store_id=made.id))
    listed_files = await all_of(stores.files.list(made.id))
    found = await all_of(stores.search(made.id, query="sky"))
    batch = await got(stores.file_batches.create(made.id, file_ids=[file.id]))
    updated = await got(stores.update(made.id, name="more docs"))
    answer = await got(stores.retrieve(made.id))
    detached = await got(stores.files.delete(file.id, vector_store_id=made.id))
    listed = await all_of(stores.list(limit=1))
    deleted = await got(stores.delete(made.id))
    about_files = {"attached": attached, "state": state, "listed_files": listed_files, "detached": detached}
    about_store = {"made": made, "found": found, "batch": batch, "updated": updated, "got": answer}
    return {**about_files, **about_store, "listed": listed, "deleted": deleted}
