"""Modifiers made out of the configuration when the graph is built."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    DynamicResolver,
    InvalidDecoratorException,
    NodeTransformLifecycle,
)
from hamilton.settings import ENABLE_POWER_USER_MODE

__all__ = ["ResolveAt", "resolve", "resolve_from_config"]


class ResolveAt(enum.Enum):
    """When a delayed modifier is made."""

    CONFIG_AVAILABLE = "config_available"


class resolve(DynamicResolver):
    """Makes the modifier with a function of the configuration.

    Args:
        when: The moment; there is one.
        decorate_with: Returns the modifier; its parameters are configuration keys, which may
            have defaults.
    """

    def __init__(
        self,
        *,
        when: ResolveAt = ResolveAt.CONFIG_AVAILABLE,
        decorate_with: Callable[..., NodeTransformLifecycle],
    ) -> None:
        if when is not ResolveAt.CONFIG_AVAILABLE:
            raise InvalidDecoratorException(
                f"when must be ResolveAt.CONFIG_AVAILABLE, not {when!r}."
            )
        self.until = when
        self.decorate_with = decorate_with
        self._required, self._optional = _keys_of(decorate_with)

    def required_config(self) -> list[str]:
        """Returns nothing: missing keys are told with their own message."""
        return []

    def optional_config(self) -> dict[str, Any] | None:
        """Returns None: `resolve` picks its keys from the whole configuration."""
        return None

    def resolve(self, config: dict[str, Any], fn: Callable[..., Any]) -> NodeTransformLifecycle:
        """Returns the modifier for this configuration."""
        missing = sorted(key for key in self._required if key not in config)
        if missing:
            known = [key for key in config if key != ENABLE_POWER_USER_MODE]
            raise InvalidDecoratorException(
                f"@{self.name} of {where(fn)} needs the configuration keys {missing}, which are "
                f"missing. Given: {sorted(known)}.",
                function=fn,
                candidates=[c for key in missing for c in close_names(key, known)],
            )
        keys = [*self._required, *(k for k in self._optional if k in config)]
        made = self.decorate_with(**{key: config[key] for key in keys})
        if not isinstance(made, NodeTransformLifecycle):
            raise InvalidDecoratorException(
                f"@{self.name} of {where(fn)}: decorate_with returned {made!r}, which is no "
                "function modifier.",
                function=fn,
            )
        return made


def _keys_of(decorate_with: Callable[..., Any]) -> tuple[list[str], list[str]]:
    required: list[str] = []
    optional: list[str] = []
    for name, parameter in inspect.signature(decorate_with).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidDecoratorException(
                f"decorate_with must take configuration keys as ordinary parameters; {name!r} "
                f"of {where(decorate_with)} is {parameter.kind.description}."
            )
        (required if parameter.default is parameter.empty else optional).append(name)
    return required, optional


class resolve_from_config(resolve):
    """Short for ``resolve(when=ResolveAt.CONFIG_AVAILABLE, decorate_with=...)``."""

    def __init__(self, *, decorate_with: Callable[..., NodeTransformLifecycle]) -> None:
        super().__init__(when=ResolveAt.CONFIG_AVAILABLE, decorate_with=decorate_with)
