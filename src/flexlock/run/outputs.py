"""What a run declares to leave: files and folders, hashed and checked at its end."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexlock.errors import ConfigError, DataError
from flexlock.lock.record import OutputState

__all__ = [
    "CONFIG_KEY",
    "Output",
    "Validator",
    "announce_outputs",
    "read_outputs",
    "settle_outputs",
]

CONFIG_KEY = "_outputs_"
"""The key of a config that declares outputs."""

Validator = Callable[[Path], object]
"""Looks at an output; it raises, or returns False, when that is not what it should be."""

_KEYS = ("path", "sha256", "validator")


@dataclass(frozen=True, slots=True)
class Output:
    """Something that a run will leave.

    `is_hashed` is False for what is too large to be read at the end of every run.
    """

    path: Path
    validator: Validator | None = None
    is_hashed: bool = True


def read_outputs(declared: object) -> dict[str, Output]:
    """Return what ``outputs=`` (or ``_outputs_`` of a config) means, under names.

    Accepted are a path, a list of paths, or a mapping of names to paths or to settings
    ``{"path": ..., "sha256": True, "validator": ...}``. The validator is a function of the path,
    its address (``package.module:function``), or a mapping with ``_target_``.

    Raises:
        ConfigError: The declaration is not understood, or a validator cannot be imported.
    """
    from flexlock.data.tracking import normalise

    if not isinstance(declared, Mapping):
        found = normalise(declared, "outputs")
        return {name: Output(_absolute(one.path)) for name, one in found.items()}
    return {str(name): _one(str(name), value) for name, value in declared.items()}


def announce_outputs(outputs: Mapping[str, Output], cwd: str | None) -> dict[str, OutputState]:
    """Return what a sheet says of declared outputs before they are there.

    A run that is killed can be completed by them.
    """
    return {
        name: OutputState(_from(cwd, str(output.path)), validator=_address(output.validator))
        for name, output in outputs.items()
    }


def settle_outputs(outputs: Mapping[str, Output], cwd: str | None) -> dict[str, OutputState]:
    """Check and hash the outputs of a run that has ended.

    Args:
        outputs: What was declared.
        cwd: The folder that paths in the sheet start from.

    Raises:
        DataError: An output is missing, cannot be hashed, or is not what its validator wants.
    """
    from flexlock.data.tracking import track

    states: dict[str, OutputState] = {}
    for name, output in outputs.items():
        method = "full" if output.is_hashed else "stat"
        tracked, _ = track({name: {"path": str(output.path), "hash": method}}, what="output")
        _validate(name, output)
        state = tracked[name]
        states[name] = OutputState(
            path=_from(cwd, state.path),
            kind="dir" if state.kind == "dir" else "file",
            algorithm=state.algorithm if output.is_hashed else None,
            hash=state.hash if output.is_hashed else None,
            bytes=state.bytes,
            files=state.files,
            validator=_address(output.validator),
        )
    return states


def _address(validator: Validator | None) -> str | None:
    """Return ``module:function`` of a validator that another process can import."""
    module, name = (getattr(validator, key, None) for key in ("__module__", "__qualname__"))
    if not module or not name or "<" in name or module == "__main__":
        return None
    return f"{module}:{name}"


def _validate(name: str, output: Output) -> None:
    if output.validator is None:
        return
    message = f"The output {name!r} ({str(output.path)!r}) is not valid"
    hint = "The run counts as failed; look at the output, or at its validator."
    try:
        verdict = output.validator(output.path)
    except Exception as error:  # whatever the user's function raises means no
        reason = f"{message}: {type(error).__name__}: {error}."
        raise DataError(reason, hint=hint, key=name) from error
    if verdict is False:
        raise DataError(f"{message}: its validator says no.", hint=hint, key=name)


def _one(name: str, value: object) -> Output:
    if isinstance(value, Output):
        return value
    if isinstance(value, str | os.PathLike):
        return Output(_absolute(value))
    if not isinstance(value, Mapping) or "path" not in value or set(value) - set(_KEYS):
        message = f"The output {name!r} is {value!r}."
        raise ConfigError(message, hint=f"Give a path, or a mapping with {', '.join(_KEYS)}.")
    validator = _validator(name, value.get("validator"))
    return Output(_absolute(value["path"]), validator, value.get("sha256") is not False)


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links stay what the user wrote


def _validator(name: str, given: Any) -> Validator | None:
    found = given
    if isinstance(given, Mapping) and "_target_" in given:
        from flexlock.config import instantiate

        found = instantiate({**given, "_partial_": True})
    elif isinstance(given, str):
        found = _imported(name, given)
    if found is not None and not callable(found):
        message = f"The validator of the output {name!r} is {given!r}, which is no function."
        raise ConfigError(message, hint="Give a function, or its address 'module:function'.")
    validator: Validator | None = found
    return validator


def _imported(name: str, address: str) -> Any:
    module, _, function = address.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"The validator {address!r} of the output {name!r} cannot be imported: {error}."
        raise ConfigError(message, hint="Write it as 'package.module:function'.") from error


def _from(cwd: str | None, path: str) -> str:
    """Return a path as the sheet has it: relative where it lies below the working directory."""
    if cwd is not None and Path(path).is_relative_to(cwd):
        return Path(path).relative_to(cwd).as_posix()
    return path
