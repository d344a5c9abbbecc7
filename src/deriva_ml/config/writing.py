"""A proposal as modules of a configuration package, which are written and never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import DerivaMLConfigurationError

from .entries import ConfigKind

if TYPE_CHECKING:
    from .proposing import BootstrapReport, BootstrapSuggestion

__all__ = ["MODULES", "module_code", "starting_modules", "stored_line", "write_modules"]

MODULES: dict[ConfigKind, str] = {
    "deriva_ml": "deriva.py",
    "datasets": "datasets.py",
    "assets": "assets.py",
    "workflow": "workflow.py",
}
"""The module of a configuration package that usually holds a group."""

_HEADS: dict[ConfigKind, str] = {
    "deriva_ml": '''\
"""Where the catalog is (group `deriva_ml`)."""

from hydra_zen import store

from deriva_ml import DerivaMLConfig

deriva_store = store(group="deriva_ml")
''',
    "datasets": '''\
"""Which data: dataset versions that runs read (group `datasets`)."""

from hydra_zen import store

from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import with_description

datasets_store = store(group="datasets")
''',
    "assets": '''\
"""Files that runs read besides datasets, such as weights (group `assets`)."""

from hydra_zen import store

from deriva_ml.asset import AssetSpecConfig
from deriva_ml.execution import with_description

assets_store = store(group="assets")
''',
    "workflow": '''\
"""What kind of work runs are (group `workflow`)."""

from hydra_zen import builds, store

from deriva_ml import Workflow

workflow_store = store(group="workflow")
''',
}
_STORES: dict[ConfigKind, str] = {
    "deriva_ml": "deriva_store",
    "datasets": "datasets_store",
    "assets": "assets_store",
    "workflow": "workflow_store",
}
_DEFAULTS: dict[ConfigKind, str] = {
    "deriva_ml": "default_deriva",
    "datasets": "default_dataset",
    "assets": "default_asset",
    "workflow": "default_workflow",
}
_NOTHING: dict[ConfigKind, str] = {
    "datasets": "No datasets, unless a run chooses some.",
    "assets": "No files besides the datasets.",
}


def stored_line(suggestion: BootstrapSuggestion, name: str | None = None) -> str:
    """The statement that stores a suggestion, with its description, in its group."""
    store, kind = _STORES[suggestion.kind], suggestion.kind
    name = suggestion.config_name if name is None else name
    about = suggestion.description or suggestion.rationale
    if kind in ("datasets", "assets"):
        listed = _described(f"[{suggestion.spec_string}]", about)
        return f"{store}(\n    {listed},\n    name={name!r},\n)"
    what = suggestion.spec_string
    if kind == "deriva_ml":
        what = what.removesuffix(")").replace("(", ", ", 1)
        target, rest = what.split(", ", 1)
        what = f"{target},\n    {rest}"
    return (
        f"{store}(\n    {what},\n    name={name!r},\n    zen_meta={{'description': {about!r}}},\n)"
    )


def _described(listed: str, about: str) -> str:
    return f"with_description({listed}, {about!r})"


def module_code(report: BootstrapReport, kind: ConfigKind) -> str:
    """A module that stores the suggestions of one kind and, under its usual name, a default.

    The default of datasets and assets is none of them; that of workflows is the first one, and a
    catalog without workflows gives none.
    """
    chosen = [s for s in report.suggestions if s.kind == kind]
    default = _DEFAULTS[kind]
    lines = [_HEADS[kind]]
    if default not in {s.config_name for s in chosen}:
        if kind in _NOTHING:
            nothing = _described("[]", _NOTHING[kind])
            lines.append(f"{_STORES[kind]}({nothing}, name={default!r})")
        elif chosen:
            lines.append(stored_line(chosen[0], default))
    lines += [stored_line(suggestion) for suggestion in chosen]
    return "\n".join(lines) + "\n"


def starting_modules(report: BootstrapReport) -> dict[str, str]:
    """Names and texts of the modules that a configuration package can begin with.

    A kind of which the report says nothing, and which needs no default, has no module.
    """
    found: dict[str, str] = {}
    for kind, file in MODULES.items():
        asked_for = report.kinds is None or kind in report.kinds
        if asked_for and (kind in _NOTHING or any(s.kind == kind for s in report.suggestions)):
            found[file] = module_code(report, kind)
    return found


def write_modules(directory: str | Path, modules: dict[str, str]) -> tuple[list[Path], list[Path]]:
    """Write modules that are not there yet; returns those that were written, and those kept.

    The directory is made, and an empty ``__init__.py`` in it.

    Raises:
        DerivaMLConfigurationError: Something cannot be written.
    """
    place = Path(directory)
    written, kept = [], []
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "__init__.py").exists():
            (place / "__init__.py").touch()
        for name, text in modules.items():
            try:
                with (place / name).open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                kept.append(place / name)
            else:
                written.append(place / name)
    except OSError as error:
        raise DerivaMLConfigurationError(
            f"The configuration cannot be written into {str(directory)!r}: {error}."
        ) from error
    return written, kept
