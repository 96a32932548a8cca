"""What an application does with the SDK, told once for sync and async clients: `got` waits where there is something to wait for."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

Run = Callable[..., Awaitable[Any]]
scenarios: dict[str, Run] = {}


def scenario(name: str) -> Callable[[Run], Run]:
    """Registers a use of the SDK under the name that it has in the Node suite."""

    def register(run: Run) -> Run:
        assert name not in scenarios, name
        scenarios[name] = run
        return run

    return register


async def got(value: Any) -> Any:
    """What a call of either kind of client answers."""
    return await value if inspect.isawaitable(value) else value


async def all_of(value: Any) -> list[Any]:
    """Everything that a stream or a list with pages brings."""
    items = await got(value)
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)


@asynccontextmanager
async def opened(manager: Any):
    """Enters a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


def binary(answer: Any) -> dict[str, Any]:
    """A binary answer as something that can be compared and read in a diff."""
    content = answer.content
    return {
        "type": answer.response.headers.get("content-type"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def plain(value: Any) -> Any:
    """A value as plain JSON, of models only the members that came over the wire."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value
