"""Responses: whole, streamed, tools, structured, and the state that the provider keeps."""

from pydantic import BaseModel

from scenario import all_of, got, opened, scenario

ASK = {"model": "gpt-4o", "instructions": "Be brief.", "input": "Say grüß Gott 😀."}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TOOLS = {"tools": [WEATHER], "tool_choice": "required"}


class Event(BaseModel):
    name: str
    participants: list[str]


@scenario("responses")
async def responses(client):
    return await got(client.responses.create(**ASK))


@scenario("responses streamed")
async def responses_streamed(client):
    return await all_of(client.responses.create(**ASK, stream=True))


@scenario("responses stream helper")
async def stream_helper(client):
    async with opened(client.responses.stream(**ASK, user="fake:reasoning=5;cached=2")) as stream:
        kinds = [event.type for event in await all_of(stream)]
        return {"kinds": kinds, "final": await got(stream.get_final_response())}


@scenario("responses with tools streamed")
async def tools_streamed(client):
    return await all_of(client.responses.create(**ASK, **TOOLS, stream=True))


@scenario("responses tool loop")
async def tool_loop(client):
    first = await got(client.responses.create(**ASK, **TOOLS))
    outputs = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "21 C"}
        for item in first.output
        if item.type == "function_call"
    ]
    more = {"model": "gpt-4o", "previous_response_id": first.id, "tools": [WEATHER]}
    return {"first": first, "second": await got(client.responses.create(**more, input=outputs))}


@scenario("responses parsed")
async def parsed(client):
    done = await got(client.responses.parse(**ASK, text_format=Event))
    assert isinstance(done.output_parsed, Event)
    return done


@scenario("responses with vision")
async def vision(client):
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "https://images.invalid/cat.png", "detail": "auto"},
    ]
    return await got(client.responses.create(model="gpt-4o", input=[{"role": "user", "content": content}]))


@scenario("responses cut by their length")
async def cut(client):
    return await all_of(client.responses.create(**ASK, max_output_tokens=16, user="fake:tokens=40", stream=True))


@scenario("responses input tokens")
async def input_tokens(client):
    return await got(client.responses.input_tokens.count(model="gpt-4o", input="How many tokens is this?"))


@scenario("responses retrieved, listed, deleted")
async def kept(client):
    made = await got(client.responses.create(**ASK))
    answer = await got(client.responses.retrieve(made.id))
    items = await all_of(client.responses.input_items.list(made.id, limit=1, order="asc"))
    await got(client.responses.delete(made.id))
    return {"got": answer, "items": items}


@scenario("responses retrieved as a stream")
async def kept_stream(client):
    made = await got(client.responses.create(**ASK))
    return await all_of(client.responses.retrieve(made.id, stream=True, starting_after=2))


@scenario("responses continued")
async def continued(client):
    first = await got(client.responses.create(**ASK))
    return await got(client.responses.create(model="gpt-4o", previous_response_id=first.id, input="And again?"))


@scenario("responses in the background")
async def background(client):
    queued = await got(client.responses.create(**ASK, background=True, user="fake:polls=1"))
    return {"queued": queued, "polls": [await got(client.responses.retrieve(queued.id)) for _ in range(2)]}


@scenario("responses cancelled")
async def cancelled(client):
    queued = await got(client.responses.create(**ASK, background=True, user="fake:polls=9"))
    return await got(client.responses.cancel(queued.id))


@scenario("conversations")
async def conversations(client):
    hello = {"type": "message", "role": "user", "content": "Hello!"}
    made = await got(client.conversations.create(metadata={"topic": "demo"}, items=[hello]))
    said = await got(client.responses.create(**ASK, conversation=made.id))
    updated = await got(client.conversations.update(made.id, metadata={"topic": "other"}))
    more = {"type": "message", "role": "user", "content": "More."}
    added = await got(client.conversations.items.create(made.id, items=[more]))
    items = await all_of(client.conversations.items.list(made.id, order="asc", limit=2))
    item = await got(client.conversations.items.retrieve(added.first_id, conversation_id=made.id))
    await got(client.conversations.items.delete(added.first_id, conversation_id=made.id))
    seen = {"made": made, "said": said, "updated": updated, "added": added, "items": items, "item": item}
    after = await got(client.conversations.retrieve(made.id))
    return {**seen, "got": after, "deleted": await got(client.conversations.delete(made.id))}
