"""The messages of a transaction over a WebSocket: what client and server both know of them.

A message is binary: four bytes with the length of a header (big-endian), the header as JSON,
and a piece of body. A header with ``"more": true`` says that the body goes on in the next
message, whose header needs nothing else. So neither side needs to hold a long body at once.

The client sends requests (``{"method", "target", "headers"}``) and controls
(``{"control": "begin"}``); the server answers each, in order, with ``{"status", "headers"}``.

``begin``
    begins the transaction, or inside it a part. The answer to the first tells the ``snaptime``.
``release``
    ends a part and keeps what it did.
``undo``
    ends a part, or outside of parts the transaction, and undoes what it did.
``commit``
    ends the transaction and keeps it.

The connection may be used for another transaction afterwards.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Literal

from ...errors import BadRequest

__all__ = ["FEATURE", "PIECE", "SEGMENT", "SUBPROTOCOL", "Control", "pack", "unpack"]

Control = Literal["begin", "commit", "undo", "release"]
FEATURE = "transactions"
"""The name in ``features`` of a server that has transactions."""
SEGMENT = "transaction"
"""The resource below the catalog."""
SUBPROTOCOL = "deriva.transaction.v1"
PIECE = 1 << 20
"""Bytes of a body in one message."""
_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 1 << 26


def pack(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """One message."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + body


def unpack(message: bytes | str) -> tuple[dict[str, Any], bytes]:
    """The header and the piece of body of a message.

    Raises:
        BadRequest: it is no such message.
    """
    if isinstance(message, str) or len(message) < _LENGTH.size:
        raise BadRequest("A message of a transaction is binary and begins with a header.")
    (length,) = _LENGTH.unpack_from(message)
    end = _LENGTH.size + length
    if length > _LONGEST_HEADER or end > len(message):
        raise BadRequest(f"A message of {len(message)} bytes has no header of {length} bytes.")
    try:
        header = json.loads(message[_LENGTH.size : end])
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The header of a message is no JSON: {error}.") from error
    if not isinstance(header, dict):
        raise BadRequest("The header of a message is an object.")
    return header, bytes(message[end:])
