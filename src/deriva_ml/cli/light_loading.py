"""Loading a project's configuration only to say what it offers, which is to be quick."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["load_for_listing"]


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
