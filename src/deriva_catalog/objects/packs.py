"""Many small contents in one body: digest, length and bytes, again and again."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..errors import BadRequest

_HEAD = struct.Struct(">32sQ")


def pack_one(sha256: str, data: bytes) -> bytes:
    """One content, as it stands in a pack."""
    return _HEAD.pack(bytes.fromhex(sha256), len(data)) + data


def write_pack(contents: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a pack of contents, given with their SHA-256."""
    for sha256, data in contents:
        yield pack_one(sha256, data)


def read_pack(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a pack with the SHA-256 that it says they have.

    Raises:
        BadRequest: The pack ends in the middle of a content.
    """
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise BadRequest("A pack of contents is cut off.", hint="Send it again.")
        digest, length = _HEAD.unpack(head)
        data = file.read(length)
        if len(data) != length:
            raise BadRequest("A pack of contents is cut off.", hint="Send it again.")
        yield digest.hex(), data
