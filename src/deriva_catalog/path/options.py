"""The query string of a data request.

Source: ERMrest, "Sorting, paging, limits and query parameters".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import BadRequest, Conflict
from .tokens import decode, malformed, refuse_stray

_STRING = re.compile(r"(?:[A-Za-z0-9_.~*-]|%[0-9A-Fa-f]{2})+")
_INTEGER = re.compile(r"-?[0-9]{1,30}")
_MAX_LIMIT = 2**63 - 1
_KNOWN = frozenset(
    ("limit", "accept", "download", "arrays", "defaults", "nondefaults", "onconflict", "recorded")
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a query string asks for, besides the limit of rows.

    `accept` is ``csv``, ``json`` or a media type; `download` a file name without extension;
    `arrays` how CSV writes arrays; `defaults` and `nondefaults` name columns of an insert, whose
    rows may be `recorded` elsewhere.
    """

    accept: str | None = None
    download: str | None = None
    arrays: Literal["json"] | None = None
    defaults: tuple[str, ...] = ()
    nondefaults: tuple[str, ...] = ()
    onconflict: Literal["skip"] | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class _Parameter:
    text: str
    name: str
    value: str
    position: int

    def wrong(self, expected: str) -> BadRequest:
        found = f"parameter {self.name!r} is {self.value!r}, expected {expected}"
        return malformed(self.text, self.position, found)

    def strings(self, separator: str) -> tuple[str, ...]:
        if not self.value:
            return ()
        parts = self.value.split(separator)
        if not all(_STRING.fullmatch(p) for p in parts):
            raise self.wrong(f"strings separated by {separator!r}, other characters escaped")
        return tuple(decode(self.text, p, self.position) for p in parts)

    def word(self, *words: str) -> str:
        if self.value.lower() not in words:
            raise self.wrong(" or ".join(repr(w) for w in words))
        return self.value.lower()


def parse_options(text: str, start: int) -> tuple[int | None, Options]:
    """The limit (None for none) and the other options in `text` from `start` on.

    Unknown parameters are ignored.

    Raises:
        BadRequest: A known parameter is malformed or given twice.
        Conflict: The limit is negative.
    """
    refuse_stray(text[start:])
    given: dict[str, _Parameter] = {}
    for parameter in _parameters(text, start):
        if parameter.name in given:
            found = f"parameter {parameter.name!r} given twice"
            raise malformed(text, parameter.position, found)
        given[parameter.name] = parameter
    limit = _limit(given["limit"]) if "limit" in given else None
    if "arrays" in given:
        given["arrays"].word("json")
    if "onconflict" in given:
        given["onconflict"].word("skip")
    if "recorded" in given:
        given["recorded"].word("true")
    options = Options(
        accept=_single(given, "accept", separator="/"),
        download=_single(given, "download", separator=","),
        arrays="json" if "arrays" in given else None,
        defaults=given["defaults"].strings(",") if "defaults" in given else (),
        nondefaults=given["nondefaults"].strings(",") if "nondefaults" in given else (),
        onconflict="skip" if "onconflict" in given else None,
        recorded="recorded" in given,
    )
    return limit, options


def _parameters(text: str, start: int) -> Iterator[_Parameter]:
    position = start
    for part in re.split("[&;]", text[start:]):
        name, _, value = part.partition("=")
        if name.lower() in _KNOWN:
            yield _Parameter(text, name.lower(), value, position)
        position += len(part) + 1


def _single(given: dict[str, _Parameter], name: str, *, separator: str) -> str | None:
    """One string; a media type may have its slash unescaped, as browsers leave it."""
    parameter = given.get(name)
    if parameter is None:
        return None
    parts = parameter.strings(separator)
    if not parts or len(parts) > (2 if separator == "/" else 1):
        raise parameter.wrong("one media type" if name == "accept" else "one name")
    return separator.join(parts)


def _limit(parameter: _Parameter) -> int | None:
    if parameter.value.lower() == "none":
        return None
    if not _INTEGER.fullmatch(parameter.value) or int(parameter.value) > _MAX_LIMIT:
        raise parameter.wrong("a number of rows or 'none'")
    limit = int(parameter.value)
    if limit < 0:
        raise Conflict(
            f"The limit of rows is {limit}, expected 0 or more.",
            hint="Leave it out, or write limit=none, to get all rows.",
            limit=limit,
        )
    return limit
