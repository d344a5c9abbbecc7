"""The words and punctuation of a data path, read from the raw, still percent-encoded text.

Only reserved characters are punctuation; their percent-encoded forms are data. So the text is
cut into tokens first, and decoded inside each of them.

Source: ERMrest, "Percent-encoding" and "Data resources: URL grammar".
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..errors import BadRequest

STRING = "string"
END = "end"

_TOKEN = re.compile(
    r"(?P<string>(?:[A-Za-z0-9_.~*-]|%[0-9A-Fa-f]{2})+)|(?P<punctuation>:=|::|[():;,=@&/!$])"
)
_STRAY = re.compile(r"[^A-Za-z0-9_.~*%():;,=@&/!$?-]|%(?![0-9A-Fa-f]{2})")
_CONTEXT = 40


@dataclass(frozen=True, slots=True)
class Token:
    """A string, a punctuation mark or the end.

    `kind` is `STRING`, `END` or the mark itself, `raw` the text as written, `value` the
    decoded text of a string, `position` the offset in the whole text, from 0.
    """

    kind: str
    raw: str
    value: str
    position: int


def malformed(text: str, position: int, found: str, hint: str = "") -> BadRequest:
    """The error for what is wrong at `position` of `text`, with a caret below the place."""
    start = max(0, position - _CONTEXT)
    shown = text[start : position + _CONTEXT]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    caret = " " * (position - start) + "^"
    message = f"Malformed path: {found} at position {position}.\n  {shown}\n  {caret}"
    return BadRequest(message + "\n" if hint else message, hint=hint, position=position)


def decode(text: str, raw: str, position: int) -> str:
    """The data that `raw`, a token at `position` of `text`, stands for.

    Raises:
        BadRequest: The escapes are not UTF-8, or spell the character NUL.
    """
    if "%" not in raw:
        return raw
    try:
        value = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise malformed(text, position, f"{raw!r} is not percent-encoded UTF-8") from None
    if "\0" in value:
        raise malformed(text, position, "a NUL character, which no name or value contains")
    return value


def refuse_stray(text: str) -> None:
    """Refuse characters that may not appear unescaped anywhere in a data path.

    Raises:
        BadRequest: There is one, or an incomplete percent escape.
    """
    match = _STRAY.search(text)
    if match is None:
        return
    found = match.group()
    if found == "%":
        raise malformed(
            text,
            match.start(),
            "'%' without two hexadecimal digits",
            "A percent sign that is data is written %25.",
        )
    escaped = "".join(f"%{byte:02X}" for byte in found.encode("utf-8", "replace"))
    raise malformed(
        text, match.start(), f"unescaped {found!r}", f"As data this character is written {escaped}."
    )


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of a path without its query string; the last one is the end.

    Raises:
        BadRequest: A character that must be escaped, or an escape that is not UTF-8.
    """
    refuse_stray(text)
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise malformed(text, position, f"unescaped {text[position]!r}")
        raw = match.group()
        if match.lastgroup == STRING:
            tokens.append(Token(STRING, raw, decode(text, raw, position), position))
        else:
            tokens.append(Token(raw, raw, "", position))
        position = match.end()
    tokens.append(Token(END, "", "", position))
    return tuple(tokens)


class Cursor:
    """A place in a sequence of tokens, and the moves that a parser makes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.index = 0

    def peek(self, ahead: int = 0) -> Token:
        """The token `ahead` of this place, without moving; the end repeats itself."""
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def at(self, *kinds: str) -> bool:
        """Whether the next token is one of `kinds`."""
        return self.peek().kind in kinds

    def take(self, kind: str) -> bool:
        """Move past the next token if it is a `kind`; tell whether it was."""
        if self.peek().kind != kind:
            return False
        self.index += 1
        return True

    def expect(self, kind: str, what: str) -> Token:
        """Move past the next token and return it.

        Raises:
            BadRequest: It is something else; the message says that `what` was expected.
        """
        token = self.peek()
        if token.kind != kind:
            raise self.unexpected(what)
        self.index += 1
        return token

    def keyword(self, words: Container[str]) -> str | None:
        """Move past one of `words` that a ``(`` follows and return it in lower case.

        A word is a keyword only there, so all of them remain usable as names and values.
        """
        token = self.peek()
        word = token.raw.lower()
        if token.kind != STRING or self.peek(1).kind != "(" or word not in words:
            return None
        self.index += 1
        return word

    def unexpected(self, expected: str, hint: str = "") -> BadRequest:
        """The error that the next token is not what was expected."""
        token = self.peek()
        found = "the end" if token.kind == END else repr(token.raw)
        return self.malformed(f"expected {expected} but found {found}", hint)

    def malformed(self, found: str, hint: str = "", token: Token | None = None) -> BadRequest:
        """The error for something wrong at `token`, or else at the next one."""
        return malformed(self.text, (token or self.peek()).position, found, hint)
