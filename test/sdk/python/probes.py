"""Calls that are meant to go wrong, and what the application is told of it."""

import openai

from scenario import all_of, got, scenario

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello."}]}
RESPONSE = {"model": "gpt-4o", "input": "Hello."}


@scenario("probe: chat")
async def chat(client, **more):
    return await got(client.chat.completions.create(**{**CHAT, **more}))


@scenario("probe: chat stream")
async def chat_stream(client, **more):
    return await counted(client.chat.completions.create(**{**CHAT, **more}, stream=True))


@scenario("probe: response")
async def response(client, **more):
    return await got(client.responses.create(**{**RESPONSE, **more}))


@scenario("probe: response stream")
async def response_stream(client, **more):
    return await counted(client.responses.create(**{**RESPONSE, **more}, stream=True))


@scenario("probe: models")
async def models(client):
    return await all_of(client.models.list())


@scenario("probe: model")
async def model(client, name):
    return await got(client.models.retrieve(name))


@scenario("probe: embeddings")
async def embeddings(client, **more):
    return await got(client.embeddings.create(**{"model": "text-embedding-3-small", "input": "one", **more}))


@scenario("probe: files")
async def files(client):
    return await all_of(client.files.list())


@scenario("probe: unknown endpoint")
async def unknown(client):
    return await got(client.post("/nope", body={}, cast_to=object))


async def counted(stream):
    """Reads a stream as an application does, and remembers how far it came when it breaks."""
    seen = []
    items = await got(stream)
    try:
        if hasattr(items, "__aiter__"):
            async for item in items:
                seen.append(item)
        else:
            for item in items:
                seen.append(item)
    except Exception as error:
        error.seen = len(seen)
        raise
    last = getattr(seen[-1], "type", None) if seen else None
    return {"seen": len(seen), "last": last}


def described(error: Exception) -> dict:
    """What an application can learn of an exception."""
    found = {"class": type(error).__name__, "is_api_error": isinstance(error, openai.APIError)}
    for name in ("status_code", "code", "type", "param", "request_id", "seen"):
        value = getattr(error, name, None)
        if value is not None:
            found["status" if name == "status_code" else name] = value
    message = error.message if isinstance(error, openai.APIError) else str(error)
    return {**found, "message": message}
