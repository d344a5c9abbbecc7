r"""PostgreSQL's regular expressions (ARE) in the spelling of the `regex` package.

The two languages agree in most of what people write. They differ in ``$`` (which Python also
lets match before a last newline), in ``\y`` and ``\Y``, in braces that are no bound (plain
characters in an ARE, an approximate match in `regex`), in doubled quantifiers such as ``a*+``
(an error in an ARE), and in the brackets ``[[:<:]]`` and ``[[:>:]]``. Embedded options such as
``(?i)`` are those of ARE that `regex` has too: ``i``, ``n`` (or ``m``), ``s`` and ``x``.

Source: PostgreSQL manual, "POSIX Regular Expressions".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import Conflict

if TYPE_CHECKING:
    import regex

__all__ = ["compile_pattern", "translate"]

_ESCAPES = {"y": r"\b", "Y": r"\B"}
_WORD_ESCAPES = frozenset("AZmMdDsSwWabefnrtuUvxcB0123456789")
_OPTIONS = re.compile(r"\(\?([a-z]+)\)")
_BOUND = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
_LONGEST = 4096
_GROUPS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, ignore_case: bool) -> regex.Pattern[str]:
    """The compiled form of an ARE; it is searched for anywhere in a text.

    Raises:
        Conflict: `pattern` is no regular expression.
    """
    import regex

    if len(pattern) > _LONGEST:
        raise _bad(pattern[:60], f"it is longer than {_LONGEST} characters")
    source, options = translate(pattern)
    flags = regex.V0 if "n" in options or "m" in options else regex.V0 | regex.DOTALL
    if ignore_case or "i" in options:
        flags |= regex.IGNORECASE
    if "n" in options or "m" in options:
        flags |= regex.MULTILINE
    if "x" in options:
        flags |= regex.VERBOSE
    try:
        return regex.compile(source, flags)
    except regex.error as error:
        raise _bad(pattern, str(error)) from None
    except (OverflowError, RecursionError, ValueError) as error:
        raise _bad(pattern, str(error) or type(error).__name__) from None


def translate(pattern: str) -> tuple[str, str]:
    """The same expression for the `regex` package, and the letters of its embedded options.

    Raises:
        Conflict: `pattern` is malformed in a way that `regex` would not notice.
    """
    if pattern.startswith("***="):
        return re.escape(pattern[4:]), ""
    text = pattern.removeprefix("***:")
    found = _OPTIONS.match(text)
    options = found.group(1) if found else ""
    unknown = set(options) - set("cimnsxt")
    if unknown:
        raise _bad(pattern, f"option {sorted(unknown)[0]!r} is not supported")
    lines = "n" in options or "m" in options
    position = found.end() if found else 0
    pieces: list[str] = []
    while position < len(text):
        piece, end = _piece(pattern, text, position, lines)
        repeated = _QUANTIFIER.match(text, end)
        if repeated is not None and piece != "|":
            piece, end = piece + repeated.group(), repeated.end()
            if _QUANTIFIER.match(text, end):
                raise _bad(pattern, f"a quantifier follows another at character {end + 1}")
        pieces.append(piece)
        position = end
    return "".join(pieces), options


def _piece(pattern: str, text: str, position: int, lines: bool) -> tuple[str, int]:
    """The next atom without its quantifier, translated, and where it ends."""
    c = text[position]
    if c == "\\":
        return _escape(pattern, text, position)
    if c == "[":
        return _bracket(pattern, text, position)
    if c == "(" and text.startswith("(?", position):
        opening = next((g for g in _GROUPS if text.startswith(g, position)), None)
        if opening is None:
            raise _bad(pattern, f"unknown group at character {position + 1}")
        return opening, position + len(opening)
    if c == "$":
        return ("$" if lines else r"\Z"), position + 1
    if c == "{" and not _BOUND.match(text, position):
        return r"\{", position + 1
    if c == "}":
        return r"\}", position + 1
    return c, position + 1


def _escape(pattern: str, text: str, position: int) -> tuple[str, int]:
    if position + 1 == len(text):
        raise _bad(pattern, "it ends with a backslash")
    c = text[position + 1]
    if c in _ESCAPES:
        return _ESCAPES[c], position + 2
    if c.isascii() and c.isalnum():
        if c not in _WORD_ESCAPES:
            raise _bad(pattern, f"unknown escape '\\{c}'")
        return f"\\{c}", position + 2
    return re.escape(c), position + 2


def _bracket(pattern: str, text: str, position: int) -> tuple[str, int]:
    """A bracket expression; inside it only backslashes and ``[:class:]`` are special."""
    for word, meaning in (("[[:<:]]", r"\m"), ("[[:>:]]", r"\M")):
        if text.startswith(word, position):
            return meaning, position + len(word)
    start = position + 1
    pieces = ["["]
    if text.startswith("^", start):
        pieces.append("^")
        start += 1
    i = start
    while i < len(text):
        c = text[i]
        if c == "]" and i > start:
            return "".join([*pieces, "]"]), i + 1
        if text.startswith(("[:", "[.", "[="), i):
            piece, i = _class(pattern, text, i)
        elif c == "\\" and i + 1 < len(text):
            piece, i = text[i : i + 2], i + 2
        else:
            piece, i = (f"\\{c}" if c in "[]" else c), i + 1
        pieces.append(piece)
    raise _bad(pattern, f"the bracket at character {position + 1} is not closed")


def _class(pattern: str, text: str, position: int) -> tuple[str, int]:
    kind = text[position + 1]
    end = text.find(f"{kind}]", position + 2)
    name = text[position + 2 : end]
    if end < 0 or not name:
        raise _bad(pattern, f"the class at character {position + 1} is not closed")
    if kind == ":":
        return f"[:{name}:]", end + 2
    if len(name) != 1:
        raise _bad(pattern, f"collating element {name!r} is not supported")
    return re.escape(name), end + 2


def _bad(pattern: str, reason: str) -> Conflict:
    return Conflict(
        f"Invalid regular expression {pattern!r}: {reason}.",
        hint="To search for these very characters, put a backslash before the special ones.",
        pattern=pattern,
    )
