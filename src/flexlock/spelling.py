"""Suggestions for names that are spelled almost right."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["closest", "list_names", "nearest"]

_SHOWN = 10


def nearest(name: str, names: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest of `names`, or an empty string.

    Example:
        >>> nearest("parm", ["param", "save_dir"])
        " Did you mean 'param'?"
        >>> nearest("zzz", ["param"])
        ''
    """
    found = closest(name, names)
    return f" Did you mean {found!r}?" if found is not None else ""


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` may be a misspelling of, or None.

    Example:
        >>> closest("n-job", ["tasks", "n_jobs"])
        'n_jobs'
    """
    import difflib

    candidates = list(names)
    folded = {_fold(candidate): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(_fold(name), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def list_names(names: Iterable[str]) -> str:
    """Return names for an error message, at most ten of them.

    Example:
        >>> list_names(["a", "b"])
        "'a', 'b'"
    """
    all_names = list(names)
    shown = ", ".join(repr(name) for name in all_names[:_SHOWN])
    more = len(all_names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")
