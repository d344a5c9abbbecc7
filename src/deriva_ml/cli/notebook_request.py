"""What a run of a notebook is asked to do, checked as far as it can be before it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLValidationError
from deriva_ml.execution.creation import SAVE_RID
from deriva_ml.notebook.configuration import Composed, compose_only
from deriva_ml.notebook.document import ConfigurationCall, Document
from deriva_ml.notebook.kernels import chosen_kernel
from deriva_ml.notebook.parameters import (
    Parameter,
    check_values,
    declared_parameters,
    read_values,
    variables,
)
from deriva_ml.notebook.run import OVERRIDES, PARAMETERS, connect, fingerprint, load_project

from ..core.overrides import check_words, quoted
from .project import known_words, told_where

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML

__all__ = ["Options", "Request", "make_request"]

_ADDRESS = {
    "host": ("deriva_ml.hostname", ("host", "hostname")),
    "catalog": ("deriva_ml.catalog_id", ("catalog", "catalog_id")),
}
"""What the command calls a part of the address, what the configuration and the cell call it."""


class Options(Protocol):
    """The options of the command that make a request."""

    parameter: list[list[str]]
    file: Path | None
    host: str | None
    catalog: str | None
    kernel: str | None
    resume: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request.

    Attributes:
        document: The notebook.
        values: Values of parameters.
        words: Overrides of the configuration that the command was given.
        call: How the notebook asks for its configuration; None when it does not.
        resume: Whether an interrupted run is taken up.
    """

    document: Document
    values: Mapping[str, Any]
    words: tuple[str, ...]
    call: ConfigurationCall | None
    resume: bool = False

    @property
    def path(self) -> Path:
        """The file of the notebook."""
        return self.document.path.resolve()

    @property
    def parameters(self) -> str:
        """The parameters as the kernel's environment has them; empty without any."""
        return json.dumps(dict(self.values), sort_keys=True, default=str) if self.values else ""

    @property
    def all_words(self) -> tuple[str, ...]:
        """The overrides of the command, and behind them those that the notebook gives itself."""
        own = None if self.call is None else self.call.overrides
        return (*self.words, *(own or ()))

    def configuration_name(self) -> str:
        """The name of the notebook's configuration.

        Raises:
            DerivaMLConfigurationError: The notebook has none, or its text does not tell which.
        """
        if self.call is None:
            raise DerivaMLConfigurationError(
                f"{self.path.name!r} has no configuration: none of its cells calls run_notebook()."
            )
        if not self.call.known:
            raise DerivaMLConfigurationError(
                f"The text of {self.path.name!r} does not tell which configuration it uses: write "
                "its name into the call, as in run_notebook('my_analysis')."
            )
        return self.call.name or self.path.stem

    def composed(self) -> Composed | None:
        """The configuration as the notebook will have it; None where its text does not tell.

        Raises:
            DerivaMLConfigurationError: It cannot be composed.
        """
        call = self.call
        if call is None or not call.known or call.overrides is None:
            return None
        return compose_only(self.configuration_name(), self.all_words)

    def connected(self, composed: Composed) -> DerivaML | None:
        """A connection that found all inputs; None when the notebook has a class of its own.

        Raises:
            DerivaMLException: There is no connection, or an input does not exist.
        """
        return None if self.call is None or self.call.own_class else connect(composed)

    def fingerprint(self, composed: Composed) -> str:
        """By which its execution is found again."""
        return fingerprint(composed, self.path, self.parameters)

    def kernel(self, name: str | None) -> str:
        """The kernel that runs it.

        Raises:
            DerivaMLConfigurationError: There is none.
        """
        return chosen_kernel(self.document, name)

    def environment(self, who: Path, code: tuple[str, str]) -> dict[str, str]:
        """The environment of the kernel.

        Args:
            who: The file that the execution is to write its identity to.
            code: The URL and the checksum of the notebook.
        """
        url, checksum = code
        own = {
            "DERIVA_ML_WORKFLOW_URL": url,
            "DERIVA_ML_WORKFLOW_CHECKSUM": checksum,
            "DERIVA_ML_NOTEBOOK_PATH": str(self.path),
            OVERRIDES: json.dumps(list(self.words)),
            PARAMETERS: self.parameters,
            SAVE_RID: str(who),
        }
        return {**os.environ, **own}


def make_request(
    document: Document, options: Options, words: Sequence[str], flags: Sequence[str]
) -> Request:
    """Check what the command was given.

    Args:
        document: The notebook.
        options: Parameters, the address of the catalog, and whether to resume.
        words: What is left of the command line: overrides.
        flags: The command's options, for hints.

    Raises:
        DerivaMLConfigurationError: Parameters or words cannot reach the notebook.
        DerivaMLValidationError: A parameter or a word is not understood.
    """
    declared = declared_parameters(document)
    pairs = [(name, value) for name, value in options.parameter]
    pairs += _address_parameters(options, declared or {}, pairs)
    from_file = read_values(options.file) if options.file is not None else None
    values = check_values(document, pairs, from_file)
    call = document.configuration_call(variables(declared, values))
    if call is not None:
        with told_where():
            load_project(call.package, document.path)
    _check_words(words, flags)
    _refuse_lost(document, options, words, declared or {}, call)
    resumed = ["resume=True"] if options.resume else []
    added = _address_words(options) if document.reads_overrides else []
    return Request(document, values, (*words, *added, *resumed), call, options.resume)


def _refuse_lost(
    document: Document,
    options: Options,
    words: Sequence[str],
    declared: Mapping[str, Parameter],
    call: ConfigurationCall | None,
) -> None:
    """Refuse what would not reach the notebook."""
    name = document.path.name
    if options.resume and call is None:
        raise DerivaMLConfigurationError(
            f"{name!r} cannot be resumed, because it does not call run_notebook()."
        )
    if document.reads_overrides:
        return
    if words:
        raise DerivaMLConfigurationError(
            f"{name!r} takes no overrides, because none of its cells calls run_notebook(); "
            f"{words[0]!r} would change nothing."
        )
    for option, (_, parameters) in _ADDRESS.items():
        if getattr(options, option) is not None and not any(p in declared for p in parameters):
            raise DerivaMLConfigurationError(
                f"--{option} would not reach {name!r}, which neither calls run_notebook() nor has "
                f"a parameter {option!r}."
            )


def _address_words(options: Options) -> list[str]:
    return [
        f"{key}={quoted(value)}"
        for name, (key, _) in _ADDRESS.items()
        if (value := getattr(options, name)) is not None
    ]


def _address_parameters(
    options: Options, declared: Mapping[str, Parameter], pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The address as parameters, where the notebook has them and they are not given."""
    taken = {name for name, _ in pairs}
    return [
        (parameter, value)
        for name, (_, parameters) in _ADDRESS.items()
        if (value := getattr(options, name)) is not None
        for parameter in parameters
        if parameter in declared and parameter not in taken
    ]


def _check_words(words: Sequence[str], flags: Sequence[str]) -> None:
    if wrong := check_words(words, [*flags, *known_words()]):
        raise DerivaMLValidationError(" ".join(wrong))
    for word in words:
        if word.startswith("+multirun="):
            raise DerivaMLValidationError(
                f"{word!r} names a sweep, and a notebook runs once. Run it for each value, or "
                "make the sweep one of a model, with deriva-ml-run."
            )
