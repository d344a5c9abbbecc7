"""Checking what configuration files name against a catalog, all of it in a few questions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deriva_ml.core.constants import is_rid
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLOfflineError,
    DerivaMLUnavailableError,
    translated,
)
from deriva_ml.core.host import catalog_argument, directory_of, is_directory
from deriva_ml.dataset.validation import validate_configuration, validate_workflows

from .entries import (
    ConfigEntry,
    ConfigEntryResult,
    ConfigFileParseError,
    ConfigValidationReport,
    Reason,
)
from .parsing import parse_config_file

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.session import Session

__all__ = ["validate_config_directory", "validate_config_file"]

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_SKIPPED = {"__pycache__", ".venv", "venv", "node_modules"}


def validate_config_file(ml: DerivaML, path: str | Path) -> ConfigValidationReport:
    """Report on what one configuration file names; nothing of it is imported.

    Raises:
        DerivaMLNotFoundError: There is no such file.
    """
    if not Path(path).is_file():
        raise DerivaMLNotFoundError(f"There is no configuration file {str(path)!r}.")
    return _report(ml, [Path(path)])


def validate_config_directory(
    ml: DerivaML, directory: str | Path, *, recursive: bool = True
) -> ConfigValidationReport:
    """Report on what the Python files of a directory name.

    Args:
        ml: The catalog that is asked.
        directory: The directory, such as ``src/configs``.
        recursive: Whether those of its sub-directories count, too.

    Raises:
        DerivaMLNotFoundError: There is no such directory.
    """
    place = Path(directory)
    if not place.is_dir():
        raise DerivaMLNotFoundError(f"There is no directory {str(directory)!r}.")
    files = place.rglob("*.py") if recursive else place.glob("*.py")
    return _report(ml, sorted(f for f in files if not _is_hidden(f.relative_to(place))))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in path.parts)


def _report(ml: DerivaML, files: Iterable[Path]) -> ConfigValidationReport:
    entries: list[ConfigEntry] = []
    errors: list[ConfigFileParseError] = []
    count = 0
    for file in files:
        found, error = parse_config_file(file)
        entries += found
        errors += [] if error is None else [error]
        count += 1
    results = _checked(ml, entries)
    return ConfigValidationReport(
        file_count=count,
        entry_count=len(entries),
        all_valid=not errors and all(result.valid for result in results),
        results=results,
        parse_errors=errors,
    )


def _checked(ml: DerivaML, entries: list[ConfigEntry]) -> list[ConfigEntryResult]:
    results: dict[int, ConfigEntryResult] = {}
    asked: list[int] = []
    for number, entry in enumerate(entries):
        if entry.entry_kind == "deriva_ml":
            results[number] = _connection(ml, entry)
        elif entry.rid is None:
            results[number] = _wrong(entry, "rid_unresolvable")
        else:
            asked.append(number)
    try:
        results |= _rows(ml.session, {number: entries[number] for number in asked})
    except (DerivaMLOfflineError, DerivaMLUnavailableError):
        results |= {number: _wrong(entries[number], "catalog_unreachable") for number in asked}
    return [results[number] for number in range(len(entries))]


def _wrong(entry: ConfigEntry, reason: Reason) -> ConfigEntryResult:
    return ConfigEntryResult(entry=entry, valid=False, reasons=[reason])


def _connection(ml: DerivaML, entry: ConfigEntry) -> ConfigEntryResult:
    """Whether a connection of the configuration leads to the catalog that is asked."""
    reasons: list[Reason] = []
    if entry.hostname is not None and _host(entry.hostname) != _host(ml.host_name):
        reasons.append("catalog_hostname_mismatch")
    argument = catalog_argument(ml.host_name, ml.catalog_id)
    known = {str(ml.catalog_id), str(ml.catalog.id), str(argument)}
    if entry.catalog_id is not None and entry.catalog_id not in known:
        reasons.append("catalog_id_mismatch")
    return ConfigEntryResult(entry=entry, valid=not reasons, reasons=reasons)


def _host(name: str) -> str:
    """A host in one spelling: without a scheme, and this machine as ``localhost``.

    The directory of a catalog is its path in full.
    """
    if is_directory(name):
        return str(directory_of(name))
    host = urlsplit(name).netloc if "://" in name else name
    return "localhost" if host in _LOCAL else host.rstrip("/").lower()


@translated()
def _rows(session: Session, entries: dict[int, ConfigEntry]) -> dict[int, ConfigEntryResult]:
    results: dict[int, ConfigEntryResult] = {}
    kinds: dict[str, list[int]] = {"datasets": [], "assets": [], "workflow": []}
    for number, entry in entries.items():
        if is_rid(entry.rid):
            kinds[entry.entry_kind].append(number)
        else:
            results[number] = _wrong(entry, "rid_not_found")
    named = [entries[n] for n in kinds["datasets"]]
    found = validate_configuration(
        session,
        {
            "datasets": [f"{e.rid}@{e.version}" if e.version else {"rid": e.rid} for e in named],
            "assets": [entries[n].rid for n in kinds["assets"]],
        },
    )
    for number, dataset in zip(kinds["datasets"], found.dataset_results, strict=True):
        entry = entries[number]
        missing = entry.version is None and dataset.available_versions
        results[number] = ConfigEntryResult(
            entry=entry,
            valid=dataset.valid,
            reasons=["version_missing"] if missing else list(dataset.reasons),
            actual_table=dataset.actual_table,
            available_versions=dataset.available_versions,
            resolved_name=dataset.dataset_name,
        )
    for number, asset in zip(kinds["assets"], found.asset_results, strict=True):
        results[number] = ConfigEntryResult(
            entry=entries[number],
            valid=asset.valid,
            reasons=list(asset.reasons),
            actual_table=asset.actual_table,
            resolved_name=asset.filename,
        )
    workflows = validate_workflows(session, [str(entries[n].rid) for n in kinds["workflow"]])
    for number, workflow in zip(kinds["workflow"], workflows, strict=True):
        results[number] = ConfigEntryResult(
            entry=entries[number],
            valid=workflow.valid,
            reasons=list(workflow.reasons),
            actual_table=workflow.actual_table,
            resolved_name=workflow.workflow_name,
        )
    return results
