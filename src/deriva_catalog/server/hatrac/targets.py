"""What a URL addresses: a name or version, perhaps a part of it, cut before anything is decoded.

Source: Hatrac, "Names".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import BadRequest
from ...objects.asking import ROOT
from ...objects.names import PREFIX, ObjectName, parse_name
from ...path.tokens import decode

__all__ = ["Target", "parse_target"]

_DEPTHS = {"versions": 0, "metadata": 1, "acl": 2, "upload": 2, "content": 1, "register": 0}
_DEPTHS["stat"] = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A name, and which of its parts (``acl``, ``upload`` ...); `arguments` are decoded."""

    name: ObjectName
    part: str | None = None
    arguments: tuple[str, ...] = ()


def parse_target(tail: str) -> Target:
    """What is addressed by that which follows ``/hatrac`` in a raw path.

    Raises:
        BadRequest: A name is malformed, or there is no such part.
    """
    name_text, mark, rest = tail.partition(";")
    name = _name(name_text)
    if not mark:
        return Target(name)
    part, *raw = rest.removesuffix("/").split("/")
    depth = _DEPTHS.get(part)
    if depth is None or len(raw) > depth:
        raise BadRequest(
            f"The URL {PREFIX + tail!r} addresses no part of an object.",
            hint="The parts are ;versions, ;metadata, ;acl and ;upload.",
        )
    return Target(name, part, _decoded(tail, raw))


def _name(text: str) -> ObjectName:
    if text in ("", "/"):
        return ROOT
    return parse_name(PREFIX + text)


def _decoded(tail: str, raw: Sequence[str]) -> tuple[str, ...]:
    if not all(raw):
        raise BadRequest(f"The URL {PREFIX + tail!r} has an empty part.")
    return tuple(decode(tail, each, max(0, tail.rfind(each))) for each in raw)
