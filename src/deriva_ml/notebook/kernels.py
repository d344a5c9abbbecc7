"""Which kernel runs a notebook."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ..core.exceptions import DerivaMLConfigurationError
from .document import INSTALL, Document

__all__ = ["chosen_kernel"]

_NATIVE = "python3"
# Jupyter starts these with the interpreter that it runs on.
_THIS_ONE = (
    "python",
    "python{}".format(*sys.version_info),
    "python{}.{}".format(*sys.version_info),
)


def chosen_kernel(document: Document, name: str | None = None) -> str:
    """The kernel that is to run a notebook.

    It is the one that is asked for. Otherwise, for a notebook in Python, it is one whose
    interpreter lies in the active environment, first the one that the notebook was saved with;
    and for another language the one that the notebook was saved with.

    Raises:
        DerivaMLConfigurationError: There is no such kernel, or its program is not there; the
            message has those there are.
    """
    interpreters = _interpreters()
    if name is not None:
        if name not in interpreters:
            raise _missing(f"There is no kernel {name!r}.", name, interpreters)
        return _startable(name, interpreters)
    saved = document.kernel_name
    if document.language != "python":
        if saved not in interpreters:
            text = f"{document.path.name!r} is in {document.language} and wants kernel {saved!r}."
            raise _missing(text, saved or "", interpreters)
        return _startable(str(saved), interpreters)
    here = [k for k, program in interpreters.items() if _is_here(program)]
    if not here:
        text = f"No kernel uses the active environment {sys.prefix!r}."
        raise _missing(text, saved or "", interpreters)
    return saved if saved in here else (_NATIVE if _NATIVE in here else sorted(here)[0])


def _interpreters() -> dict[str, str]:
    """The program of each kernel."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager
    except ModuleNotFoundError as error:
        raise DerivaMLConfigurationError(
            f"Notebooks cannot be run, because {error.name} is missing: {INSTALL}"
        ) from error
    found = KernelSpecManager().get_all_specs()
    return {
        name: str((about["spec"].get("argv") or [""])[0]) for name, about in sorted(found.items())
    }


def _startable(name: str, interpreters: Mapping[str, str]) -> str:
    """The kernel of that name, whose program is there.

    Raises:
        DerivaMLConfigurationError: It is not, as where its environment was removed.
    """
    program = interpreters[name]
    if program not in _THIS_ONE and shutil.which(program) is None:
        text = f"Kernel {name!r} cannot be started, because its program {program!r} is not there."
        raise _missing(text, "", {k: v for k, v in interpreters.items() if k != name})
    return name


def _is_here(program: str) -> bool:
    """Whether a kernel's interpreter lies in the active environment."""
    if program in _THIS_ONE:
        return True
    where = shutil.which(program)
    # Not resolved: the interpreter of an environment is a link to one outside it.
    return where is not None and Path(where).absolute().is_relative_to(Path(sys.prefix).absolute())


def _missing(text: str, wanted: str, known: Mapping[str, str]) -> DerivaMLConfigurationError:
    near = difflib.get_close_matches(wanted, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(f"{name} ({program})" for name, program in known.items()) or "none"
    return DerivaMLConfigurationError(
        f"{text}{hint} Kernels: {listed}. deriva-ml-install-kernel adds that of the active "
        f"environment, which needs {INSTALL}."
    )
