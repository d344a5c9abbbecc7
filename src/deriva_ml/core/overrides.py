"""The words after the options of a command: Hydra overrides, and the sweeps they may name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

__all__ = ["check_words", "expand_multirun", "key_of", "quoted", "says"]

_OVERRIDE = re.compile(
    r"^(?:(?:\+\+?|~)?[A-Za-z_][\w./@:$-]*=.*|~[A-Za-z_][\w./@:$-]*)$", re.DOTALL
)
_MULTIRUN = "+multirun="
_WORD = r"(?!(?:true|false|null|inf|nan)\Z)[a-z_][a-z0-9_.-]*"
_PLAIN = re.compile(rf"{_WORD}|0|[1-9][0-9]*", re.ASCII | re.IGNORECASE)


def key_of(override: str) -> str:
    """Return what an override is about: ``+a.b=1`` is about ``a.b``."""
    return override.partition("=")[0].lstrip("+~")


def says(overrides: Iterable[str], key: str, value: str) -> bool:
    """Whether the last override of `key` sets it to `value` (letter case ignored)."""
    last = None
    for override in overrides:
        if key_of(override) == key:
            last = override.partition("=")[2]
    return last is not None and last.strip("'\"").lower() == value.lower()


def quoted(value: str) -> str:
    """Return `value` as Hydra reads it back: as it is when plain, otherwise in quotes."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = re.sub(r"(\\*)('|\$\{|\Z)", _escape, value)
    return f"'{escaped}'"


def _escape(match: re.Match[str]) -> str:
    """Escape a quote or a reference (``${``), and the backslashes that stand before it."""
    slashes, mark = match.groups()
    return slashes * 2 + (f"\\{mark}" if mark else "")


def check_words(words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return a message for each word that is not an override.

    Args:
        words: The words of the command line that are not options.
        known: What could have been meant, for the hint: ``group=option``, ``key=``, options.
    """
    candidates = sorted(set(known))
    wrong = [word for word in words if not _OVERRIDE.match(word)]
    # A word beside an unknown option is most likely the option's value.
    wrong = [word for word in wrong if word.startswith("-")] or wrong
    return [f"{word!r} is not understood.{_hint(word, candidates)}" for word in wrong]


def _hint(word: str, candidates: Sequence[str]) -> str:
    """Return what to write instead of `word`."""
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    if not word.startswith("-"):
        # The name of an option alone is the likeliest slip.
        options = {c.partition("=")[2]: c for c in candidates if not c.endswith("=")}
        alone = difflib.get_close_matches(word, filter(None, options), n=1)
        near = [options[alone[0]]] if alone else near
    if near:
        return f" Did you mean {near[0]!r}?"
    return " Write key=value, +key=value or ~key; --help lists the options."


def expand_multirun(words: Sequence[str]) -> tuple[list[str], bool]:
    """Return the words with ``+multirun=<name>`` replaced by its overrides, and whether it was.

    An override that is given beside it wins over the sweep's own; so does a ``description``.

    Raises:
        DerivaMLConfigurationError: There is no sweep of that name.
    """
    names = [w.removeprefix(_MULTIRUN) for w in words if w.startswith(_MULTIRUN)]
    rest = [w for w in words if not w.startswith(_MULTIRUN)]
    if not names:
        return rest, False
    from deriva_ml.execution.multirun import get_multirun_config

    merged: dict[str, str] = {}
    for name in names:
        spec = get_multirun_config(name)
        merged |= {key_of(o): o for o in spec.overrides}
        if spec.description:
            merged["description"] = f"description={quoted(spec.description)}"
    for word in rest:
        merged.pop(key_of(word), None)
    return [*merged.values(), *rest], True
