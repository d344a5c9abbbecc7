"""One reading of text for every door: ``-o``, task lines, CSV cells, YAML files.

Plain scalars follow the core schema of YAML 1.2: no sexagesimal numbers, no ``yes`` and ``no``, no
dates, no digits with underscores; ``1e-3`` is a number. Quotes force text.

Text is read in two steps, because a declared type wins over the look of a value: `read_text` takes
quotes off and leaves everything else as `PlainText`; `settle` (or `conversion`, when a type is
known) decides what that stands for. ``007`` and ``[a-z]`` thus stay text in a field of type `str`.

Source: YAML 1.2.2, section 10.3.2 (tag resolution of the core schema).
"""

from __future__ import annotations

import re
from typing import Any

from flexlock.errors import ConfigError

__all__ = ["PlainText", "parse_plain", "parse_scalar", "read_text", "settle", "structure"]

_NULL = frozenset({"", "null", "Null", "NULL", "~"})
_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})
_QUOTES = ('"', "'")
_BRACKETS = {"[": "]", "{": "}"}


class PlainText(str):
    """Text without quotes, whose type is not decided yet."""

    __slots__ = ()


def parse_scalar(text: str) -> Any:
    """Return the value that a piece of text stands for when no type is declared for it.

    Numbers, booleans and null follow YAML 1.2; ``[1, 2]`` and ``{x: 1}`` become a list and a
    dictionary; quotes around the whole text force a string. Anything else is itself, unchanged.

    Raises:
        ConfigError: A list or dictionary is not well formed.

    Example:
        >>> [parse_scalar(t) for t in ("1", "1e-3", "no", "183_3", "[1, a]", "'1'", "")]
        [1, 0.001, 'no', '183_3', [1, 'a'], '1', None]
    """
    return settle(read_text(text))


def read_text(text: str) -> Any:
    """Return quoted text as `str` without its quotes, any other text as `PlainText`."""
    stripped = text.strip()
    if stripped[:1] in _QUOTES and stripped:
        return _unquoted(stripped, text)
    return PlainText(text)


def structure(value: Any) -> Any:
    """Return ``[...]`` and ``{...}`` as a list or dictionary of `PlainText`, others unchanged.

    Raises:
        ConfigError: It is not well formed.
    """
    if not isinstance(value, PlainText):
        return value
    stripped = value.strip()
    return _parse_flow(stripped) if stripped[:1] in _BRACKETS and stripped else value


def settle(value: Any) -> Any:
    """Decide each `PlainText` in a value by its look.

    Raises:
        ConfigError: A list or dictionary is not well formed.
    """
    value = structure(value)
    if isinstance(value, PlainText):
        plain = parse_plain(value.strip())
        return str(value) if isinstance(plain, str) else plain
    if isinstance(value, list):
        return [settle(item) for item in value]
    if isinstance(value, dict):
        return {settle(key): settle(item) for key, item in value.items()}
    return value


def parse_plain(text: str) -> Any:
    """Return the value of a plain (unquoted) scalar without white space around it."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _DECIMAL.fullmatch(text):
        return _int(text, 10)
    if _OCTAL.fullmatch(text):
        return _int(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return _int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return float(f"{infinite[1]}inf")
    return float("nan") if text in _NOT_A_NUMBER else text


def _int(digits: str, base: int) -> int | str:
    try:
        return int(digits, base)
    except ValueError:  # more digits than the interpreter converts: then it is a name
        return digits


def _unquoted(stripped: str, text: str) -> str:
    """Return the content of a quoted text, or `text` when the quotes do not span all of it."""
    from flexlock.config.yaml_text import load_yaml

    if len(stripped) < 2 or stripped[-1] != stripped[0]:
        return PlainText(text)
    try:
        value = load_yaml(stripped)
    except ConfigError:
        value = None
    return value if isinstance(value, str) else PlainText(text)


def _parse_flow(text: str) -> Any:
    from flexlock.config.yaml_text import load_yaml

    if text[-1] != _BRACKETS[text[0]]:
        raise ConfigError(
            f"{text!r} begins a list or dictionary that does not end.",
            hint=f"Close it with {_BRACKETS[text[0]]!r}, or quote it to mean text.",
            text=text,
        )
    value = load_yaml(text, keep_text=True)
    _refuse_joined_keys(value, text)
    return value


def _refuse_joined_keys(value: Any, text: str) -> None:
    """Refuse ``{a:1}``, which YAML reads as the one key ``a:1`` without a value."""
    if isinstance(value, list):
        for item in value:
            _refuse_joined_keys(item, text)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and ":" in key and item == "":
                raise ConfigError(
                    f"{text!r} has the key {key!r} without a value.",
                    hint="Write a space after the colon, as in {a: 1}.",
                    text=text,
                )
            _refuse_joined_keys(item, text)
