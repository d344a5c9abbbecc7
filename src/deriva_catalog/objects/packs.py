"""Many small contents in one body: digest, length and bytes, again and again."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..errors import BadRequest

LONGEST = 8 << 20
"""The longest content in a pack that is read: it is held in memory."""
_HEAD = struct.Struct(">32sQ")


def pack_one(sha256: str, data: bytes) -> bytes:
    """One content, as it stands in a pack."""
    return _HEAD.pack(bytes.fromhex(sha256), len(data)) + data


def write_pack(contents: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield a pack of contents, given by SHA-256, length and pieces."""
    for sha256, length, pieces in contents:
        yield _HEAD.pack(bytes.fromhex(sha256), length)
        yield from pieces


def read_pack(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a pack with the SHA-256 that it says they have.

    Raises:
        BadRequest: The pack ends in the middle of a content, or one is too long to be packed.
    """
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise BadRequest("A pack of contents is cut off.", hint="Send it again.")
        digest, length = _HEAD.unpack(head)
        if length > LONGEST:
            raise BadRequest(
                f"A content of {length} bytes is too long for a pack.", hint="Send it by itself."
            )
        data = file.read(length)
        if len(data) != length:
            raise BadRequest("A pack of contents is cut off.", hint="Send it again.")
        yield digest.hex(), data
