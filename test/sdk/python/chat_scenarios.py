"""Chat completions: whole and streamed, tools, structured outputs, vision."""

from openai import pydantic_function_tool
from pydantic import BaseModel

from scenario import all_of, got, opened, scenario

MODEL = "gpt-4o"
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Say grüß Gott 😀 to 北京."},
]
ASK = {"model": MODEL, "messages": MESSAGES}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
TOOLS = {"tools": [{"type": "function", "function": WEATHER}], "tool_choice": "required"}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Event(BaseModel):
    name: str
    day: str
    participants: list[str]


@scenario("chat")
async def chat(client):
    return await got(client.chat.completions.create(**ASK))


@scenario("chat, every parameter")
async def every_parameter(client):
    return await got(
        client.chat.completions.create(
            **ASK,
            temperature=0.25,
            top_p=0.9,
            n=2,
            seed=7,
            stop=["END"],
            max_completion_tokens=5,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            logprobs=True,
            top_logprobs=2,
            logit_bias={"50256": -100},
            metadata={"team": "tests"},
            reasoning_effort="low",
            service_tier="auto",
        )
    )


@scenario("chat with the raw response")
async def raw_response(client):
    raw = await got(client.chat.completions.with_raw_response.create(**ASK))
    names = ["content-type", "openai-version", "x-ratelimit-remaining-tokens", "apim-request-id"]
    headers = [raw.headers.get(name) for name in names]
    return {"data": await got(raw.parse()), "request_id": raw.request_id, "status": raw.status_code, "headers": headers}


@scenario("chat stream")
async def chat_stream(client):
    return await all_of(client.chat.completions.create(**ASK, stream=True))


@scenario("chat stream of two choices")
async def two_choices(client):
    return await all_of(client.chat.completions.create(**ASK, n=2, logprobs=True, stream=True))


@scenario("chat stream with usage")
async def with_usage(client):
    options = {"include_usage": True}
    return await all_of(client.chat.completions.create(**ASK, stream=True, stream_options=options))


async def streamed(client, **more):
    """Events of the stream helper, and what it makes of them."""
    async with opened(client.chat.completions.stream(**{**ASK, **more})) as stream:
        kinds = [event.type for event in await all_of(stream)]
        return {"kinds": kinds, "final": await got(stream.get_final_completion())}


@scenario("chat stream helper")
async def stream_helper(client):
    return await streamed(client)


@scenario("chat with vision")
async def vision(client):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://images.invalid/cat.png"}},
    ]
    return await got(client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}]))


@scenario("chat with audio and a file")
async def audio_and_file(client):
    content = [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
    ]
    return await got(client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}]))


@scenario("chat that is refused by the model")
async def refused(client):
    return await all_of(client.chat.completions.create(**ASK, user="fake:refusal=No.", stream=True))


@scenario("chat cut by its length")
async def cut(client):
    return await all_of(client.chat.completions.create(**ASK, max_tokens=3, stream=True))


@scenario("tools")
async def tools(client):
    return await got(client.chat.completions.create(**ASK, **TOOLS))


@scenario("tools streamed")
async def tools_streamed(client):
    return await all_of(client.chat.completions.create(**ASK, **TOOLS, stream=True))


@scenario("parallel tools streamed")
async def parallel_tools(client):
    return await streamed(client, **TOOLS, user="fake:tool=get_weather;calls=3")


@scenario("parallel tools streamed, fragments alternating")
async def alternating_tools(client):
    user = "fake:tool=get_weather;calls=3;interleave=1"
    return await all_of(client.chat.completions.create(**ASK, **TOOLS, user=user, stream=True))


@scenario("tool loop")
async def tool_loop(client):
    first = await got(client.chat.completions.create(**ASK, **TOOLS))
    asked = first.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "21 C"} for call in asked.tool_calls]
    messages = [*MESSAGES, asked.model_dump(exclude_none=True), *results]
    return await got(client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS["tools"]))


@scenario("custom tool streamed")
async def custom_tool(client):
    custom = [{"type": "custom", "custom": {"name": "shell"}}]
    return await all_of(client.chat.completions.create(**ASK, tools=custom, tool_choice="required", stream=True))


@scenario("legacy functions streamed")
async def legacy_functions(client):
    named = {"name": "get_weather"}
    return await all_of(client.chat.completions.create(**ASK, functions=[WEATHER], function_call=named, stream=True))


@scenario("structured output parsed")
async def parsed(client):
    done = await got(client.chat.completions.parse(**ASK, response_format=Event))
    assert isinstance(done.choices[0].message.parsed, Event)
    return done


@scenario("structured output streamed")
async def parsed_stream(client):
    return await streamed(client, response_format=Event)


@scenario("structured tool arguments parsed")
async def parsed_tool(client):
    tool = pydantic_function_tool(Event, name="make_event")
    done = await got(client.chat.completions.parse(**ASK, tools=[tool], tool_choice="required"))
    assert isinstance(done.choices[0].message.tool_calls[0].function.parsed_arguments, Event)
    return done


@scenario("JSON mode")
async def json_mode(client):
    messages = [{"role": "user", "content": "Answer in json."}]
    return await got(
        client.chat.completions.create(model=MODEL, messages=messages, response_format={"type": "json_object"})
    )
