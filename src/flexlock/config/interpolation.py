"""Finding the references in a text with interpolations, without evaluating them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Reference", "escape", "find_references"]

_RESOLVER = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:")


@dataclass(frozen=True, slots=True)
class Reference:
    """One ``${...}`` of a text.

    Attributes:
        start: Where it begins, at the dollar sign.
        end: Where the text goes on after it.
        body: What stands between the braces.
        resolver: Name of the resolver; empty for a reference to another key.
    """

    start: int
    end: int
    body: str
    resolver: str

    @property
    def key(self) -> str:
        """The key that is referred to, with its leading dots; empty for a resolver."""
        return "" if self.resolver else self.body.strip()

    @property
    def arguments(self) -> str:
        """The text after the resolver's colon."""
        return self.body.split(":", 1)[1] if self.resolver else ""


def find_references(text: str) -> Iterator[Reference]:
    """Yield the outermost interpolations of a text from left to right; escaped ones are text."""
    position = 0
    while (start := text.find("${", position)) >= 0:
        backslashes = len(text[:start]) - len(text[:start].rstrip("\\"))
        end = _closing(text, start + 2)
        if backslashes % 2 or end < 0:
            position = start + 2
            continue
        body = text[start + 2 : end]
        match = _RESOLVER.match(body)
        yield Reference(start, end + 1, body, match[1] if match else "")
        position = end + 1


def escape(text: str) -> str:
    r"""Return text that OmegaConf reads as `text` itself, whatever dollar signs it holds.

    Example:
        >>> print(escape("a ${b}"))
        a \${b}
    """
    return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", text)


def _closing(text: str, position: int) -> int:
    """Return the index of the brace that closes one opened before `position`, or -1."""
    depth = 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text.startswith("${", position) or text[position] == "{":
            position += text[position] == "$"
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1
