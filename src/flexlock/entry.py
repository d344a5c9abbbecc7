"""What a decorated function is: where its defaults come from, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flexlock.config.attributes import hints_of
from flexlock.config.kinds import is_config_class, kind_of
from flexlock.config.reading import read, read_signature
from flexlock.config.schema import Field, Group, fields_of
from flexlock.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Entry"]

_CONFIG_NAMES = ("cfg", "config", "conf")


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that is called with a config.

    Attributes:
        function: The user's function.
        config_class: Its defaults, a config of any kind; None to take them from the signature.
        instantiate: Whether it gets an instance of the config class instead of a `DictConfig`.
        lock: Whether a run sheet is written by itself.
    """

    function: Callable[..., Any]
    config_class: Any = None
    instantiate: bool = False
    lock: bool = True

    @property
    def takes_config(self) -> bool:
        """Whether the function takes one config; else its parameters are the config."""
        if self.config_class is not None:
            return True
        parameters = self._parameters()
        if len(parameters) != 1:
            return False
        only = parameters[0]
        return only.name in _CONFIG_NAMES or self._declared(only) is not None

    def source(self) -> Any:
        """Return the defaults: a config of any kind, or a schema for a plain signature."""
        if self.config_class is not None:
            return self.config_class
        if not self.takes_config:
            return read_signature(self.function)
        return self._declared(self._parameters()[0])

    def fields(self) -> list[Field]:
        """Return the parameters with their documentation."""
        if self.config_class is None and not self.takes_config:
            return list(fields_of(read_signature(self.function, docs=True)))
        return list(fields_of(read(self.source(), docs=True)))

    def description(self) -> str:
        """Return what the function does: the summary of its docstring, or of its config's."""
        doc = inspect.getdoc(self.function) or ""
        summary = doc.split("\n\n")[0].strip()
        return summary or (read(self.source()).doc if self.takes_config else "")

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the defaults and the values that a call from Python means.

        Raises:
            TypeError: There are too many positional arguments.
        """
        if not self.takes_config:
            bound = inspect.signature(self.function).bind_partial(*args, **kwargs)
            return self.source(), _named(bound)
        if len(args) > 1:
            message = f"{self.function.__name__}() takes one config, but {len(args)} were given"
            raise TypeError(message)
        given = args[0] if args else None
        return (self.source() if given is None else given), dict(kwargs)

    def call(self, config: DictConfig, source: Any = None) -> Any:
        """Call the function with a finished config.

        Args:
            config: Its values.
            source: What the config was made from, when that is not the config class.
        """
        __tracebackhide__ = True  # IPython leaves such frames out
        from flexlock.config.restoring import arguments_of, restore

        if self.takes_config:
            chosen = self.source() if source is None else source
            if not self._parameters():
                return self.function()
            return self.function(restore(chosen, config) if self.instantiate else config)
        from omegaconf import OmegaConf

        values: Any = OmegaConf.to_container(config, resolve=True)
        arguments = arguments_of(self.function, values)
        first = [
            arguments.pop(p.name)
            for p in self._parameters()
            if p.kind is p.POSITIONAL_ONLY and p.name in arguments
        ]
        return self.function(*first, **arguments)

    def call_task(self, config: DictConfig) -> Any:
        """Call the function with the resolved config of one task, its types checked first.

        Raises:
            ConfigError: A value does not fit its declared type.
        """
        from flexlock.config.restoring import check_types

        source = self.source()
        check_types(config, source if isinstance(source, Group) else read(source))
        return self.call(config)

    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())

    def _declared(self, parameter: inspect.Parameter) -> Any:
        """Return the config that a parameter has as its default or as its annotation."""
        annotation = hints_of(self.function).get(parameter.name)
        for candidate in (parameter.default, annotation):
            if candidate is parameter.empty or candidate is None:
                continue
            if _is_config(candidate, is_default=candidate is parameter.default):
                return candidate
        return None


def _named(bound: inspect.BoundArguments) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values |= value
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            raise ConfigError(
                f"The arguments {value!r} have no names, so they cannot be recorded.",
                hint="Give them by keyword.",
            )
        else:
            values[name] = value
    return values


def _is_config(candidate: Any, *, is_default: bool) -> bool:
    try:
        kind = kind_of(candidate)
    except ConfigError:
        return False
    if kind in ("function", "empty"):
        return False
    if not is_default and kind == "plain":
        # An annotation like `pathlib.Path` or `numpy.ndarray` is no config; a class that holds
        # nothing but values is one.
        return bool(read(candidate).fields) and candidate.__module__ not in _LIBRARIES
    return kind != "plain" or is_config_class(candidate) or bool(read(candidate).fields)


_LIBRARIES = frozenset({"pathlib", "datetime", "decimal", "fractions", "uuid", "collections"})
