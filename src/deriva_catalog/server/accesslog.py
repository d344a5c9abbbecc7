"""The access log: one JSON object on a line for each request.

It tells who asked for what, how it ended, how long it took, and what the client says about
itself (``deriva-client-context``). It holds no cookies, tokens, bodies or passwords, and no query
strings of the session API, which may carry codes of a login.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import unquote

__all__ = ["AccessLog", "Entry", "client_context"]

_LONGEST = 4096
_SECRET = "/authn"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is told of one request; `complete` is False if the answer did not reach its end."""

    method: str
    target: str
    status: int
    seconds: float
    size: int
    client: str | None
    address: str | None
    headers: Mapping[str, str]
    complete: bool = True


class AccessLog:
    """Writes entries to a stream. Usable from many threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, entry: Entry) -> None:
        """Write one line."""
        line = json.dumps(_document(entry), ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


def _document(entry: Entry) -> dict[str, Any]:
    path, mark, query = entry.target.partition("?")
    shown = path if path.startswith(_SECRET) else f"{path}{mark}{query}"
    document: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "address": entry.address,
        "client": entry.client,
        "method": entry.method,
        "target": shown[:_LONGEST],
        "status": entry.status,
        "bytes": entry.size,
        "ms": round(entry.seconds * 1000, 2),
    }
    if not entry.complete:
        document["complete"] = False
    context = entry.headers.get("deriva-client-context")
    if context:
        document["context"] = client_context(context)
    agent = entry.headers.get("user-agent")
    if agent:
        document["agent"] = agent[:_LONGEST]
    return document


def client_context(header: str) -> Any:
    """What a client says about itself: a JSON value, or the text if it is none.

    Some clients escape everything in it, others only what a header cannot hold.
    """
    text = unquote(header)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:_LONGEST]
