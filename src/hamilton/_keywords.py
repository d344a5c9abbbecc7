"""Unknown keyword arguments: an error that names the one that was probably meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from hamilton.errors import close_names

__all__ = ["names_keywords"]

P = ParamSpec("P")
R = TypeVar("R")


def names_keywords(method: Callable[P, R], further: Iterable[str] = ()) -> Callable[P, R]:
    """Returns the method with a better error for keywords that it does not know.

    Args:
        method: What to wrap.
        further: Keywords that it takes beside the named ones.

    Raises:
        TypeError: When the method is called with an unknown keyword.
    """
    parameters = inspect.signature(method).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    # Names that begin with an underscore are taken, but not offered.
    known = frozenset(named).union(further)

    offered = sorted(n for n in known if n not in named[:1] and not n.startswith("_"))

    def refuse(unknown: str) -> None:
        raise TypeError(
            f"{method.__name__}() got an unexpected keyword argument {unknown!r}. "
            f"{_hint(unknown, offered)}"
        )

    @functools.wraps(method)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs and not known.issuperset(kwargs):
            refuse(next(name for name in kwargs if name not in known))
        return method(*args, **kwargs)

    @functools.wraps(method)
    async def checked_async(*args: P.args, **kwargs: P.kwargs) -> Any:
        # A coroutine function stays one for whoever asks.
        return await cast("Awaitable[Any]", checked(*args, **kwargs))

    return cast("Callable[P, R]", checked_async) if inspect.iscoroutinefunction(method) else checked


def _hint(unknown: str, offered: list[str]) -> str:
    close = close_names(unknown, offered) or [n for n in offered if unknown in n or n in unknown]
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"It takes {', '.join(offered)}."
