"""Many small contents in one body: digest, length and bytes, again and again."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from ..errors import BadRequest

LONGEST = 8 << 20
"""The longest content in a pack that is read: it is held in memory."""
PACK = 4 << 20
"""How long the contents of one answer are altogether."""
_MOST = 512
_LEAST = 32
_HEAD = struct.Struct(">32sQ")


class BrokenPack(BadRequest):
    """A pack of contents cannot be read on; `facts` have the SHA-256 of the content, if known."""


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
        BrokenPack: The pack ends in the middle of a content, or one is too long to be packed.
    """
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise BrokenPack(
                "A pack of contents is cut off between two contents.", hint="Send it again."
            )
        digest, length = _HEAD.unpack(head)
        sha256 = digest.hex()
        if length > LONGEST:
            raise BrokenPack(
                f"The content {sha256} of {length} bytes is too long for a pack.",
                hint="Send it by itself.",
                sha256=sha256,
            )
        data = file.read(length)
        if len(data) != length:
            raise BrokenPack(
                f"A pack of contents is cut off in the content {sha256}, after {len(data)} of "
                f"{length} bytes.",
                hint="Send it again.",
                sha256=sha256,
            )
        yield sha256, data


def cut(
    numbers: Sequence[int], lengths: Sequence[int | None], *, most: int, room: int = PACK
) -> list[list[int]]:
    """Cut numbered contents, in order, into parts of at most so many and so many bytes."""
    parts: list[list[int]] = []
    left = 0
    for number in numbers:
        length = lengths[number] or 0
        if not parts or length > left or len(parts[-1]) >= most:
            parts.append([])
            left = room
        parts[-1].append(number)
        left -= length
    return parts


def most_at_once(count: int, workers: int) -> int:
    """How many of some contents one request asks for, so that all workers have some."""
    return min(_MOST, max(_LEAST, -(-count // workers)))
