"""The grammar of ``-o``: which words belong to it, and what they mean.

::

    -o key value          -o key=value          -o a 1 b=2 c 3        (any number of each)
    -o list=[1,2]         -o a.b.c 1            -o items.0=x          (dotted keys, list elements)
    -o +new=1             -o ~old                                     (add a key, delete a key)

After ``-o`` words are read up to the next option. A word that looks like a negative number is a
value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flexlock.config.scalars import parse_plain, read_text
from flexlock.errors import ConfigError

__all__ = ["FLAGS", "Override", "read_overrides", "take_overrides"]

FLAGS = ("-o", "--override", "--overrides")

_KEY = re.compile(r"[+~]{0,2}\w[\w.@/\-]*(\[-?\w+\][\w.@/\-]*)*")


@dataclass(frozen=True, slots=True)
class Override:
    """One change of a config.

    Attributes:
        action: ``set`` an existing key, ``add`` a new one, or ``delete`` one.
        key: Dotted key.
        value: Text that is still to be read by the type of the field, or a list or dictionary.
    """

    action: Literal["set", "add", "delete"]
    key: str
    value: Any = None


def take_overrides(argv: Sequence[str]) -> tuple[list[Override], list[str]]:
    """Take every ``-o`` and its words out of a command line.

    Returns:
        The overrides in their order, and the remaining words.

    Raises:
        ConfigError: A key has no value, or a value no key.
    """
    words: list[str] = []
    rest: list[str] = []
    overrides: list[Override] = []
    inside = False
    for position, word in enumerate(argv):
        attached = _attached(word)
        if word == "--":
            rest += argv[position:]
            break
        if word in FLAGS or attached is not None:
            overrides += _finish(words, inside)
            inside, words = True, [] if attached is None else [attached]
        elif inside and not _is_option(word):
            words.append(word)
        else:
            overrides += _finish(words, inside)
            inside, words = False, []
            rest.append(word)
    return overrides + _finish(words, inside), rest


def read_overrides(words: Sequence[str]) -> list[Override]:
    """Return the overrides that the words after one ``-o`` mean.

    Raises:
        ConfigError: A key has no value, or a value no key.

    Example:
        >>> [(o.key, o.value) for o in read_overrides(["a", "1", "b=x=y", "c", "-3"])]
        [('a', '1'), ('b', 'x=y'), ('c', '-3')]
    """
    return list(_read(words))


def _read(words: Sequence[str]) -> Iterator[Override]:
    position = 0
    while position < len(words):
        word = words[position]
        key, has_sign, text = word.partition("=")
        if not _KEY.fullmatch(key):
            raise ConfigError(
                f"{word!r} is not a parameter.",
                hint="Write -o name value, or -o name=value; quote values with spaces.",
                word=word,
            )
        position += 1
        if key.startswith("~"):
            yield _deletion(word)
            continue
        if not has_sign:
            if position == len(words) or _is_assignment(words[position]):
                raise ConfigError(
                    f"Value missing for {key.lstrip('+')!r}.",
                    hint=f"Write -o {key} VALUE, or -o {key}=VALUE when it begins with a dash.",
                    key=key.lstrip("+"),
                )
            text = words[position]
            position += 1
        action: Literal["set", "add"] = "add" if key.startswith("+") else "set"
        yield Override(action, _dotted(key.lstrip("+")), read_text(text))


def _finish(words: list[str], inside: bool) -> list[Override]:
    if inside and not words:
        raise ConfigError("-o has no parameter.", hint="Write -o name value, or -o name=value.")
    return read_overrides(words)


def _deletion(word: str) -> Override:
    key = word.removeprefix("~")
    if "=" in key or key.startswith(("~", "+")):
        raise ConfigError(f"{word!r} is not a deletion.", hint="Write -o ~name, without a value.")
    return Override("delete", _dotted(key))


def _dotted(key: str) -> str:
    return key.replace("[", ".").replace("]", "").strip(".")


def _attached(word: str) -> str | None:
    """Return what is glued to the option: ``-oa=1``, ``--override=a=1``."""
    if word.startswith("-o") and len(word) > 2 and "=" in word and not word.startswith("--"):
        return word[2:]
    for flag in FLAGS[1:]:
        if word.startswith(f"{flag}="):
            return word[len(flag) + 1 :]
    return None


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not _is_number(word)


def _is_number(word: str) -> bool:
    return isinstance(parse_plain(word), (int, float))


def _is_assignment(word: str) -> bool:
    key, sign, _ = word.partition("=")
    return bool(sign) and _KEY.fullmatch(key) is not None
