"""The other endpoints that answer at once: completions, embeddings, moderations, images, audio."""

import base64

from scenario import all_of, binary, got, scenario

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = ("cat.png", PNG, "image/png")
# Every byte value, and what looks like the end of a form.
SOUND = ("speech.wav", bytes(range(256)) + b"\r\n--x--\r\n", "audio/wav")
INSTRUCT = "gpt-3.5-turbo-instruct"
SMALL = "text-embedding-3-small"


@scenario("completions")
async def completions(client):
    return await got(client.completions.create(model=INSTRUCT, prompt=["One", "Two"], max_tokens=4))


@scenario("completions streamed")
async def completions_streamed(client):
    return await all_of(client.completions.create(model=INSTRUCT, prompt="One", stream=True))


@scenario("embeddings")
async def embeddings(client):
    return await got(client.embeddings.create(model=SMALL, input=["one", "two"], dimensions=8))


@scenario("embeddings as floats")
async def embedding_floats(client):
    return await got(client.embeddings.create(model=SMALL, input="one", dimensions=4, encoding_format="float"))


@scenario("embeddings as base64")
async def embedding_base64(client):
    return await got(client.embeddings.create(model=SMALL, input=[[1, 2, 3]], dimensions=4, encoding_format="base64"))


@scenario("moderations")
async def moderations(client):
    return await got(client.moderations.create(model="omni-moderation-latest", input=["hello", "kill the process"]))


@scenario("images generated")
async def images(client):
    return await got(client.images.generate(model="gpt-image-1", prompt="A cat", n=2, size="1024x1024"))


@scenario("images generated as a stream")
async def images_streamed(client):
    return await all_of(client.images.generate(model="gpt-image-1", prompt="A cat", stream=True, partial_images=2))


@scenario("images edited")
async def image_edit(client):
    return await got(client.images.edit(model="gpt-image-1", prompt="A hat", image=[PICTURE, PICTURE]))


@scenario("images edited as a stream")
async def image_edit_streamed(client):
    return await all_of(client.images.edit(model="gpt-image-1", prompt="A hat", image=PICTURE, stream=True))


@scenario("speech")
async def speech(client):
    return binary(await got(client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")))


@scenario("speech as events")
async def speech_events(client):
    ask = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello.", "stream_format": "sse"}
    return (await got(client.audio.speech.create(**ask))).content.decode()


@scenario("transcription")
async def transcription(client):
    return await got(client.audio.transcriptions.create(model="whisper-1", file=SOUND, language="en"))


@scenario("transcription streamed")
async def transcription_streamed(client):
    return await all_of(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, stream=True))


@scenario("transcription as subtitles")
async def subtitles(client):
    return await got(client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="srt"))


@scenario("transcription with segments")
async def segments(client):
    return await got(client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="verbose_json"))


@scenario("translation")
async def translation(client):
    return await got(client.audio.translations.create(model="whisper-1", file=SOUND))
