"""Modifiers that decide by configuration whether a function takes part."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar, overload

from hamilton.errors import where
from hamilton.function_modifiers.base import InvalidDecoratorException, NodeResolver

__all__ = ["config", "hamilton_exclude"]

F = TypeVar("F", bound=Callable[..., Any])
Predicate = Callable[[dict[str, Any]], bool]
_UNKNOWN = "__UNKNOWN__"
_SEPARATOR = "__"


class config(NodeResolver):
    """Keeps a function under some configurations; the part of its name after ``__`` is dropped.

    Several on one function must all hold.

    Args:
        resolves: Answers, for the configuration, whether the function is kept.
        target_name: The name of the node, outright.
        config_used: The keys the predicate looks at; None when unknown.

    Example:
        >>> @config.when(region="US")
        ... def spend__US(raw: int) -> int:
        ...     return raw
    """

    def __init__(
        self,
        resolves: Predicate,
        target_name: str | None = None,
        config_used: Collection[str] | None = None,
    ) -> None:
        self._resolves = resolves
        self._target_name = target_name
        self._keys = None if config_used is None else list(config_used)
        self._text = f"a condition on {sorted(self._keys) if self._keys else 'the configuration'}"
        self.is_fallback = False

    @property
    def does_resolve(self) -> Predicate:
        """The predicate."""
        return self._resolves

    def required_config(self) -> list[str] | None:
        """Returns the whole configuration for a predicate whose keys are unknown."""
        return None if self._keys is None else []

    def optional_config(self) -> dict[str, Any] | None:
        """Returns the keys the predicate looks at, absent ones as None."""
        return None if self._keys is None else dict.fromkeys(self._keys)

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses names that end in ``__``."""
        if self._target_name is None and fn.__name__.endswith(_SEPARATOR):
            raise InvalidDecoratorException(
                f"The name of {where(fn)} ends in {_SEPARATOR!r}, which leaves nothing to tell "
                "its variants apart. Write something after it.",
                function=fn,
            )

    def resolve(self, fn: Callable[..., Any], config: dict[str, Any]) -> Callable[..., Any] | None:
        """Returns the function when the predicate holds."""
        return fn if self._resolves(config) else None

    def node_name(self, fn: Callable[..., Any]) -> str | None:
        """Returns the given name, or the function's name up to the last ``__``."""
        return self._target_name or fn.__name__.rpartition(_SEPARATOR)[0] or fn.__name__

    def describe(self) -> str:
        """Returns the condition as ``key=value``."""
        return self._text

    def tags(self) -> dict[str, Any]:
        """Returns the keys that were looked at."""
        return {"hamilton.config": _UNKNOWN if self._keys is None else ",".join(self._keys)}

    @classmethod
    def _of_keys(
        cls,
        name: str | None,
        key_values: dict[str, Any],
        test: Callable[[Any, Any], bool],
        verb: str,
    ) -> config:
        def resolves(given: dict[str, Any]) -> bool:
            return all(test(given.get(key), wanted) for key, wanted in key_values.items())

        made = cls(resolves, target_name=name, config_used=list(key_values))
        made._text = ", ".join(f"{key}{verb}{wanted!r}" for key, wanted in key_values.items())
        return made

    @classmethod
    def when(cls, name: str | None = None, **key_values: Any) -> config:
        """Keeps the function when every key has the given value."""
        return cls._of_keys(name, key_values, lambda given, wanted: bool(given == wanted), "=")

    @classmethod
    def when_not(cls, name: str | None = None, **key_values: Any) -> config:
        """Keeps the function when no key has the given value."""
        return cls._of_keys(name, key_values, lambda given, wanted: bool(given != wanted), "!=")

    @classmethod
    def when_in(cls, name: str | None = None, **key_value_group: Collection[Any]) -> config:
        """Keeps the function when every key has one of the given values."""
        return cls._of_keys(name, key_value_group, lambda given, wanted: given in wanted, " in ")

    @classmethod
    def when_not_in(cls, name: str | None = None, **key_value_group: Collection[Any]) -> config:
        """Keeps the function when no key has one of the given values."""
        return cls._of_keys(
            name, key_value_group, lambda given, wanted: given not in wanted, " not in "
        )

    @classmethod
    def otherwise(cls, name: str | None = None) -> config:
        """Keeps the function when no other variant of the same node is kept."""
        made = cls(lambda given: True, target_name=name, config_used=[])
        made._text = "no other variant"
        made.is_fallback = True
        return made


class _Exclude(NodeResolver):
    def resolve(self, fn: Callable[..., Any], config: dict[str, Any]) -> None:
        return None


@overload
def hamilton_exclude(fn: F) -> F: ...
@overload
def hamilton_exclude(fn: None = None) -> Callable[[F], F]: ...
def hamilton_exclude(fn: Callable[..., Any] | None = None) -> Any:
    """Keeps a public function out of the dataflow; used without parentheses."""
    return _Exclude() if fn is None else _Exclude()(fn)
