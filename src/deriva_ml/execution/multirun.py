"""Named sweeps: lists of overrides that the command expands by ``+multirun=<name>``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.exceptions import DerivaMLConfigurationError
from ..core.html_tables import settings_html

__all__ = [
    "MultirunSpec",
    "get_all_multirun_configs",
    "get_multirun_config",
    "list_multirun_configs",
    "multirun_config",
]


@dataclass(frozen=True, slots=True)
class MultirunSpec:
    """A sweep: its name, the overrides that span it, and what it is for (Markdown)."""

    name: str
    overrides: tuple[str, ...] = ()
    description: str = ""

    def _repr_html_(self) -> str:
        shown = {"description": self.description, "overrides": " ".join(self.overrides)}
        return settings_html(f"multirun {self.name}", shown)


_registry: dict[str, MultirunSpec] = {}


def multirun_config(
    name: str, overrides: Iterable[str] = (), description: str = ""
) -> MultirunSpec:
    """Register a sweep under `name`, in place of one that had the name, and return it.

    Args:
        name: What ``+multirun=`` is followed by.
        overrides: Hydra overrides; ``group=a,b`` and ``key=1,2`` span the sweep.
        description: What the sweep is for; the description of its parent execution.
    """
    if isinstance(overrides, str):
        msg = f"The overrides of multirun {name!r} are one text, {overrides!r}; give a list."
        raise DerivaMLConfigurationError(msg)
    spec = MultirunSpec(name, tuple(overrides), description)
    _registry[name] = spec
    return spec


def get_multirun_config(name: str) -> MultirunSpec:
    """Return the sweep of that name.

    Raises:
        DerivaMLConfigurationError: There is none; the message names those there are.
    """
    if name in _registry:
        return _registry[name]
    near = difflib.get_close_matches(name, _registry, n=1)
    known = ", ".join(repr(n) for n in list_multirun_configs()) or "none"
    hint = f" Did you mean {near[0]!r}?" if near else ""
    msg = f"There is no multirun named {name!r}.{hint} Registered: {known}."
    raise DerivaMLConfigurationError(msg)


def list_multirun_configs() -> list[str]:
    """Return the names of the registered sweeps, sorted."""
    return sorted(_registry)


def get_all_multirun_configs() -> dict[str, MultirunSpec]:
    """Return the registered sweeps by name."""
    return dict(sorted(_registry.items()))
