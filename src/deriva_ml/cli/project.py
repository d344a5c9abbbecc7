"""Loading a project's configuration: to run it, or only to say what it offers."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["load_for_listing", "load_package"]


def load_package(directory: Path) -> None:
    """Import the modules of a configuration package, with its surroundings on the path.

    A project without a connection of its own gets that of its context file.

    Raises:
        DerivaMLConfigurationError: There is no such package, or nothing in it.
    """
    from deriva_ml.core.context import offer_context
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.execution.load_configs import load_configs

    package = directory.resolve()
    if not package.is_dir():
        raise DerivaMLConfigurationError(
            f"There is no configuration package in {str(directory)!r}. Start the command in the "
            "project's directory, or name the package with --config-dir."
        )
    for path in (package.parent.parent, package.parent):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    if not load_configs(package.name):
        load_all = getattr(importlib.import_module(package.name), "load_all_configs", None)
        if load_all is None:
            raise DerivaMLConfigurationError(
                f"{str(directory)!r} holds no Python modules, so there is nothing to choose from."
            )
        load_all()
    offer_context(package)


def load_for_listing(load: Callable[[], None], package: Path) -> None:
    """Call `load`, which imports a configuration package, with heavy libraries left out.

    A project that cannot be imported in this way is imported once more as it is, so that it is
    listed all the same, or fails with the error that a run would fail with.

    Args:
        load: What imports the package.
        package: The package's directory.
    """
    from hydra_zen import store

    from deriva_ml.core.deferring import deferred_imports

    stored = {(entry["group"], entry["name"]) for entry in store}
    modules = set(sys.modules)
    # A quarter of the time would go into looking for garbage, of which there is next to none: while
    # modules are imported, and once more when the process ends.
    gc.disable()
    try:
        with deferred_imports():
            load()
    except Exception:  # noqa: BLE001 - whatever it is, the import that follows tells it
        failed = True
    else:
        failed = False
    finally:
        gc.freeze()
        gc.enable()
    if failed:
        _forget(set(sys.modules) - modules, package.resolve().parent.parent)
        for entry in list(store):
            if (entry["group"], entry["name"]) not in stored:
                store.delete_entry(entry["group"], entry["name"])
        load()


def _forget(modules: set[str], project: Path) -> None:
    """Have the project's own modules imported anew; installed ones stay."""
    for name in modules:
        file = getattr(sys.modules[name], "__file__", None)
        place = Path(file).resolve() if isinstance(file, str) else None
        own = place is not None and place.is_relative_to(project)
        if own and place is not None and "site-packages" not in place.parts:
            del sys.modules[name]
