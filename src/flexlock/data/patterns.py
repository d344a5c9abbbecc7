"""Which files of a directory count: include and exclude patterns.

`*` and `?` stay within one name, `**` crosses folders. A pattern without a slash is looked for at
every depth; one that ends in a slash means a folder with all that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["Chooser", "chooser"]

Chooser = Callable[[str], bool]
"""Says whether a relative path, with slashes, is meant."""


def chooser(patterns: Sequence[str]) -> Chooser | None:
    """Return a function that says whether one of the patterns matches; None without patterns."""
    if not patterns:
        return None
    matches = re.compile("|".join(f"(?:{_expression(p)})" for p in patterns), re.DOTALL).fullmatch
    return lambda path: matches(path) is not None


def _expression(pattern: str) -> str:
    folder = pattern.endswith("/")
    text = pattern.strip("/")
    if "/" not in text and not pattern.startswith("/"):
        text = f"**/{text}"
    parts = []
    position = 0
    for token in re.finditer(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]", text):
        parts += [re.escape(text[position : token.start()]), _wildcard(token[0])]
        position = token.end()
    parts.append(re.escape(text[position:]))
    return "".join(parts) + ("/.*" if folder else "(?:/.*)?")


def _wildcard(token: str) -> str:
    plain = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in plain:
        return plain[token]
    negated = token.startswith("[!")
    inside = token[2 if negated else 1 : -1].replace("\\", r"\\").replace("[", r"\[")
    return f"(?!/)[{'^' if negated else ''}{inside}]"
