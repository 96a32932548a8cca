"""
Drives the Python SDK for the tests: one process for all of them. Each line on standard input is a JSON command with an id, each
line on standard output the answer to one:

  {"id": 1, "make": {"kind": "OpenAI", "is_async": false, "env": {...}, "endpoint": null, "max_retries": 2}}  ->  {"id": 1, "value": 0}
  {"id": 2, "run": "chat", "client": 0, "arguments": {}}   ->   {"id": 2, "value": ...} or {"id": 2, "error": {"class": ...}}
  {"id": 3, "list": true}                                  ->   {"id": 3, "value": [names of all scenarios]}

Commands run side by side: those of sync clients in threads of their own, those of async clients on one event loop.
"""

import asyncio
import json
import os
import sys
import threading

import openai

import chat_scenarios  # noqa: F401
import inference_scenarios  # noqa: F401
import responses_scenarios  # noqa: F401
import stored_scenarios  # noqa: F401
from probes import described
from scenario import plain, scenarios

clients = []
loop = asyncio.new_event_loop()
writing = threading.Lock()


def answer(command_id, **members):
    line = json.dumps({"id": command_id, **members}, ensure_ascii=False)
    with writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def make(spec):
    """Makes a client as users do: the environment says where to go. Commands are read one at a time, so it is ours alone."""
    for name in [name for name in os.environ if "OPENAI" in name]:
        del os.environ[name]
    os.environ.update(spec["env"])
    kind = ("Async" if spec["is_async"] else "") + spec["kind"]
    options = {}
    if spec.get("max_retries") is not None:
        options["max_retries"] = spec["max_retries"]
    if spec.get("endpoint") is not None:
        options["azure_endpoint"] = spec["endpoint"]
    clients.append(getattr(openai, kind)(**options))
    return len(clients) - 1


async def run(command):
    try:
        value = await scenarios[command["run"]](clients[command["client"]], **command.get("arguments", {}))
        answer(command["id"], value=plain(value))
    except Exception as error:
        answer(command["id"], error=described(error))


def start(command):
    if "make" in command:
        answer(command["id"], value=make(command["make"]))
    elif "list" in command:
        answer(command["id"], value=list(scenarios))
    elif type(clients[command["client"]]).__name__.startswith("Async"):
        asyncio.run_coroutine_threadsafe(run(command), loop)
    else:
        threading.Thread(target=lambda: asyncio.run(run(command)), daemon=True).start()


threading.Thread(target=loop.run_forever, daemon=True).start()
for line in sys.stdin:
    start(json.loads(line))
