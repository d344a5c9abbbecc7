"""Requests and answers as plain values, whatever brings them.

A handler is a function from a `Request` to an `Answer`. It runs in a thread and may block. What
speaks HTTP (or replays a transaction's messages) makes the one and sends the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..access import Client


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whose sender is known.

    `target` is the path and query as they were sent: nothing is decoded before it is cut into
    tokens. Names of `headers` are in lower case. `body` is complete, in memory or in a file.
    `address` is that of the sender, if it is known; `is_secure` says whether it came by TLS.
    `is_head` says that it is a HEAD, which is answered as the GET that `method` then is.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    client: Client
    body: BinaryIO
    address: str | None = None
    is_secure: bool = False
    is_head: bool = False

    @property
    def path(self) -> str:
        """The target without its query string."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the first question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. A `body` that is no bytes is taken piece by piece, then closed."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer with a compact JSON document and a line end."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    return Answer(status, text.encode(), "application/json", headers or {})


def text_answer(
    text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer with plain text."""
    return Answer(status, text.encode(), "text/plain", headers or {})


NO_CONTENT = Answer(204)
