"""How extension points are declared: the registry of their base classes, and its checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar

__all__ = ["InvalidLifecycleAdapter", "LifecycleAdapter", "lifecycle"]

Kind = Literal["hook", "method", "validator"]
C = TypeVar("C", bound=type)


class InvalidLifecycleAdapter(Exception):
    """An extension point is declared with a signature that its callers cannot use."""


class LifecycleAdapter:
    """Base of everything that can be passed as ``adapter`` to a driver."""


class _Points:
    """The extension points declared so far, and the decorators that declare them."""

    def __init__(self) -> None:
        self.classes: dict[str, list[tuple[type, Kind]]] = {}

    def base_hook(self, name: str) -> Callable[[C], C]:
        """Declares the decorated class as the base of a hook called `name`."""
        return self._declare(name, "hook")

    def base_method(self, name: str) -> Callable[[C], C]:
        """Declares the decorated class as the base of a method called `name`."""
        return self._declare(name, "method")

    def base_validator(self, name: str) -> Callable[[C], C]:
        """Declares the decorated class as the base of a validator called `name`."""
        return self._declare(name, "validator")

    def _declare(self, name: str, kind: Kind) -> Callable[[C], C]:
        def decorate(cls: C) -> C:
            method = getattr(cls, name, None)
            if not callable(method):
                raise InvalidLifecycleAdapter(
                    f"Class {cls.__name__} must have a method called {name!r} to declare the "
                    f"{kind} {name!r}."
                )
            _check_declaration(cls, method, kind)
            self.classes.setdefault(name, []).append((cls, kind))
            return cls

        return decorate


def _check_declaration(cls: type, method: Callable[..., Any], kind: Kind) -> None:
    signature = inspect.signature(method)
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            raise InvalidLifecycleAdapter(
                f"Parameter {name!r} of {cls.__name__}.{method.__name__} must be keyword-only: "
                f"write `def {method.__name__}(self, *, {name}, ...)`."
            )
    returned = signature.return_annotation
    if kind == "hook" and returned not in (inspect.Signature.empty, None, "None"):
        raise InvalidLifecycleAdapter(
            f"Hook {cls.__name__}.{method.__name__} must return None, not {returned!r}."
        )


lifecycle = _Points()
