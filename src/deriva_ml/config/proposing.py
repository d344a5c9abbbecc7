"""Proposing a configuration from what a catalog has: lines that are ready to paste."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ConfigDict, Field

from deriva_ml.core.constants import SENTINEL_WORKFLOW_URL
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.host import catalog_argument
from deriva_ml.core.query import attributes
from deriva_ml.dataset.versions import DatasetVersion

from .entries import ConfigKind
from .writing import module_code, starting_modules, stored_line, write_modules

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.session import Session

__all__ = ["BootstrapReport", "BootstrapSkipped", "BootstrapSuggestion", "bootstrap_config"]

DATASET_TYPES = ("Training", "Testing", "Validation", "Complete", "Labeled")
"""Datasets of these types are proposed unless the caller says otherwise."""
ASSETS_OF_A_TABLE = 100
"""How many files of one table are proposed, the newest; more would be no choice."""
_LONGEST_NAME = 40
_KINDS: tuple[ConfigKind, ...] = get_args(ConfigKind)


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BootstrapSuggestion(_Value):
    """An option that a configuration could have.

    Attributes:
        kind: The group that it belongs to.
        config_name: A name for it, from its description; no two of a group have the same.
        rid: The RID of what it names; None for the connection.
        version: The version of a dataset.
        spec_string: The expression to store, as Python.
        description: What it is.
        rationale: Why it is proposed.
    """

    kind: ConfigKind
    config_name: str
    rid: str | None = None
    version: str | None = None
    spec_string: str
    description: str
    rationale: str

    def to_code(self) -> str:
        """The statement that stores it, with its description, in the store of its group."""
        return stored_line(self)


class BootstrapSkipped(_Value):
    """Something that is not proposed, and why."""

    kind: ConfigKind
    rid: str
    reason: str


class BootstrapReport(_Value):
    """What is proposed, and what is not.

    Attributes:
        catalog: The catalog, as ``host/catalog``.
        kinds: The kinds that were asked for; None means all.
        suggestions: By kind, then by name.
        skipped: What is there and was left out.
    """

    catalog: str
    kinds: list[ConfigKind] | None = None
    suggestions: list[BootstrapSuggestion] = Field(default_factory=list)
    skipped: list[BootstrapSkipped] = Field(default_factory=list)

    def to_code(self, kind: ConfigKind | None = None) -> str:
        """The suggestions, or those of one kind, as a module of a configuration package.

        See `write_to` for a module of each kind.
        """
        kinds = [k for k in _KINDS if kind in (None, k) and (self.kinds is None or k in self.kinds)]
        return "\n\n".join(module_code(self, k) for k in kinds)

    def write_to(self, directory: str | Path) -> tuple[list[Path], list[Path]]:
        """Write a module for each kind into a configuration package, where there is none yet.

        Returns:
            What was written, and what was there and is left as it is.

        Raises:
            DerivaMLConfigurationError: Something cannot be written.
        """
        return write_modules(directory, starting_modules(self))


def bootstrap_config(
    ml: DerivaML,
    *,
    kinds: Iterable[ConfigKind] | None = None,
    dataset_type_filter: Iterable[str] | None = None,
) -> BootstrapReport:
    """Propose options for a configuration from what the catalog has.

    Args:
        ml: The catalog.
        kinds: Which groups; None means all.
        dataset_type_filter: The types whose datasets are proposed; None means `DATASET_TYPES`.

    Raises:
        DerivaMLValidationError: `kinds` has a word that is no group.
    """
    wanted = _kinds(kinds)
    report = BootstrapReport(
        catalog=f"{ml.host_name}/{ml.catalog_id}", kinds=None if kinds is None else list(wanted)
    )
    if "deriva_ml" in wanted:
        report.suggestions.append(_connection(ml))
    if "datasets" in wanted:
        types = DATASET_TYPES if dataset_type_filter is None else tuple(dataset_type_filter)
        _propose_datasets(ml.session, types, report)
    if "assets" in wanted:
        _propose_assets(ml.session, report)
    if "workflow" in wanted:
        _propose_workflows(ml.session, report)
    report.suggestions = _with_own_names(report.suggestions)
    return report


def _kinds(kinds: Iterable[ConfigKind] | None) -> Collection[ConfigKind]:
    if kinds is None:
        return _KINDS
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    unknown = sorted(wanted - set(_KINDS))
    if unknown:
        raise DerivaMLValidationError(
            f"{', '.join(map(repr, unknown))} is no kind of configuration; there are "
            f"{', '.join(_KINDS)}."
        )
    return [kind for kind in _KINDS if kind in wanted]


def _connection(ml: DerivaML) -> BootstrapSuggestion:
    catalog = catalog_argument(ml.host_name, ml.catalog_id)
    return BootstrapSuggestion(
        kind="deriva_ml",
        config_name="default_deriva",
        spec_string=f"DerivaMLConfig(hostname={ml.host_name!r}, catalog_id={catalog!r})",
        description=f"Catalog {ml.catalog_id} at {ml.host_name}",
        rationale="The catalog that this proposal was made from.",
    )


def _propose_datasets(session: Session, types: Collection[str], report: BootstrapReport) -> None:
    rows = session.fetch(attributes(session.ml("Dataset"), ("RID", "Description", "Deleted")))
    kinds = _grouped(session, "Dataset_Dataset_Type", "Dataset_Type")
    versions = _grouped(session, "Dataset_Version", "Version")
    for row in sorted(rows, key=lambda row: str(row["RID"])):
        rid = str(row["RID"])
        mine = sorted(set(kinds.get(rid, [])) & set(types))
        released = _released(versions.get(rid, []))
        reason = (
            "It is deleted."
            if row["Deleted"]
            else f"It has none of the types {', '.join(types)}."
            if not mine
            else "It has no released version."
            if not released
            else None
        )
        if reason is not None:
            report.skipped.append(BootstrapSkipped(kind="datasets", rid=rid, reason=reason))
            continue
        newest = str(max(released))
        report.suggestions.append(
            BootstrapSuggestion(
                kind="datasets",
                config_name=_name(row["Description"], f"dataset_{rid}"),
                rid=rid,
                version=newest,
                spec_string=f"DatasetSpecConfig(rid={rid!r}, version={newest!r})",
                description=row["Description"] or "",
                rationale=f"Its types: {', '.join(mine)}; {newest} is its newest release.",
            )
        )


def _released(labels: Iterable[str]) -> list[DatasetVersion]:
    """The released ones of some versions; a label that another program wrote may be none."""
    found = []
    for label in labels:
        with suppress(DerivaMLValidationError):
            found.append(DatasetVersion.parse(label))
    return [version for version in found if not version.is_devrelease]


def _grouped(session: Session, table: str, column: str) -> dict[str, list[str]]:
    """Values of a column, by the dataset that they belong to."""
    found: dict[str, list[str]] = {}
    for row in session.fetch(attributes(session.ml(table), ("Dataset", column))):
        found.setdefault(row["Dataset"], []).append(row[column])
    return found


def _propose_assets(session: Session, report: BootstrapReport) -> None:
    skipped = {"Execution_Metadata": "It describes an execution.", "File": "It is no stored file."}
    for table in session.model.find_assets():
        columns = ("RID", "Filename", "Description", "Length", "RCT")
        rows = session.fetch(attributes(table, columns))
        newest = sorted(rows, key=lambda row: str(row["RCT"]), reverse=True)
        old = {str(row["RID"]) for row in newest[ASSETS_OF_A_TABLE:]}
        for row in sorted(rows, key=lambda row: str(row["RID"])):
            rid, file = str(row["RID"]), row["Filename"] or ""
            reason = skipped.get(table.name) if table.schema == session.ml_schema else None
            if reason is None and rid in old:
                reason = f"{table.name} has {ASSETS_OF_A_TABLE} newer ones."
            if reason is not None:
                report.skipped.append(BootstrapSkipped(kind="assets", rid=rid, reason=reason))
                continue
            report.suggestions.append(
                BootstrapSuggestion(
                    kind="assets",
                    config_name=_name(row["Description"] or file, f"asset_{rid}"),
                    rid=rid,
                    spec_string=f"AssetSpecConfig(rid={rid!r})",
                    description=row["Description"] or file,
                    rationale=f"{file} of {table.name}, {row['Length']:,} bytes.",
                )
            )


def _propose_workflows(session: Session, report: BootstrapReport) -> None:
    columns = ("RID", "Name", "Description", "URL")
    rows = session.fetch(attributes(session.ml("Workflow"), columns))
    types: dict[str, list[str]] = {}
    table = session.ml("Workflow_Workflow_Type")
    for row in session.fetch(attributes(table, ("Workflow", "Workflow_Type"))):
        types.setdefault(row["Workflow"], []).append(row["Workflow_Type"])
    for row in sorted(rows, key=lambda row: str(row["RID"])):
        rid = str(row["RID"])
        if row["URL"] == SENTINEL_WORKFLOW_URL:
            reason = "It stands for what is not known."
            report.skipped.append(BootstrapSkipped(kind="workflow", rid=rid, reason=reason))
            continue
        mine = sorted(types.get(rid, []))
        # What follows an empty line tells the state of the code when it was registered.
        about = (row["Description"] or "").partition("\n\n")[0]
        kind = repr(mine[0] if len(mine) == 1 else mine)
        spec = (
            f"builds(Workflow, name={row['Name']!r}, workflow_type={kind}, description={about!r})"
        )
        report.suggestions.append(
            BootstrapSuggestion(
                kind="workflow",
                config_name=_name(row["Name"], f"workflow_{rid}"),
                rid=rid,
                spec_string=spec,
                description=about or row["Name"] or "",
                rationale=f"It has run before, as {row['URL'] or 'a workflow without an address'}.",
            )
        )


# --- names -------------------------------------------------------------------------------


def _name(text: str | None, otherwise: str) -> str:
    """A name from a description: lower case, underscores, not long."""
    words = re.sub(r"[^a-z0-9]+", "_", (text or "").lower()).strip("_")
    short = words[:_LONGEST_NAME].rstrip("_")
    if not short:
        short = re.sub(r"[^a-z0-9]+", "_", otherwise.lower())
    return f"_{short}"[:_LONGEST_NAME] if short[0].isdigit() else short


def _with_own_names(suggestions: list[BootstrapSuggestion]) -> list[BootstrapSuggestion]:
    """Tell equal names of a group apart, by the RID of what they name."""
    times: dict[tuple[str, str], int] = {}
    for each in suggestions:
        key = (each.kind, each.config_name)
        times[key] = times.get(key, 0) + 1
    named = [
        each
        if times[each.kind, each.config_name] == 1 or each.rid is None
        else each.model_copy(update={"config_name": _apart(each.config_name, each.rid)})
        for each in suggestions
    ]
    return sorted(named, key=lambda each: (_KINDS.index(each.kind), each.config_name))


def _apart(name: str, rid: str) -> str:
    own = "_" + rid.lower().replace("-", "_")
    return name[: _LONGEST_NAME - len(own)] + own
