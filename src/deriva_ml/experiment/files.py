"""The files that describe executions: configuration, what was chosen, measurements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from deriva_catalog.path.ast import (
    AttributeQuery,
    ColumnName,
    Comparison,
    Element,
    Item,
    Operator,
    Path,
    Restrict,
    Root,
    SortKey,
    Window,
)
from deriva_ml.core.enums import ExecMetadataType, MLAsset
from deriva_ml.core.exceptions import DerivaMLDataError, translated
from deriva_ml.core.query import any_of, entities, equals, link, name_of
from deriva_ml.core.session import Session

__all__ = ["CONFIG_FILE", "DescribingFile", "ExecutionFiles", "flat"]

CONFIG_FILE = "-config.yaml"
_HYDRA_FILE = "-hydra.yaml"
_OWN_FILE = "configuration.json"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DescribingFile:
    """A file about an execution."""

    rid: str
    name: str
    url: str
    is_metrics: bool = False


class ExecutionFiles:
    """The files about some executions: which there are in two queries, each read when needed.

    Args:
        session: The session on the catalog.
        executions: RIDs of the executions.
    """

    def __init__(self, session: Session, executions: Iterable[str]) -> None:
        self._session = session
        self._files: dict[str, list[DescribingFile]] = {rid: [] for rid in executions}
        self._read: dict[str, bytes] = {}
        if self._files:
            self._find()

    def _find(self) -> None:
        rows = self._session.fetch(_files_of(self._session, self._files))
        measured = self._with_type(ExecMetadataType.metrics_file, {r["RID"] for r in rows})
        for row in rows:
            name, rid = row["Filename"] or "", row["RID"]
            found = DescribingFile(rid, name, row["URL"], rid in measured)
            self._files[row["Execution"]].append(found)

    def _with_type(self, kind: str, rids: Iterable[str]) -> set[str]:
        table, wanted = MLAsset.execution_metadata.value, sorted(rids)
        if not wanted:
            return set()
        steps = (equals("Asset_Type", str(kind)), any_of(table, wanted))
        rows = self._session.fetch(entities(self._session.ml(f"{table}_Asset_Type"), *steps))
        return {row[table] for row in rows}

    # --- what is in them -------------------------------------------------------------

    def hydra_config(self, execution: str) -> Document:
        """The configuration that Hydra composed; empty when there is none."""
        return self._document(execution, CONFIG_FILE)

    def choices(self, execution: str) -> dict[str, str]:
        """The option chosen from each group, as Hydra says, else as the execution was told."""
        hydra = self._document(execution, _HYDRA_FILE).get("hydra", {})
        chosen = hydra.get("runtime", {}).get("choices", {})
        if not chosen:
            chosen = self._document(execution, _OWN_FILE).get("config_choices", {})
        return {
            str(group): str(option)
            for group, option in chosen.items()
            if option is not None and not str(group).startswith("hydra/")
        }

    def metrics_files(self, execution: str) -> Iterator[bytes]:
        """The content of each file of measurements (see `measurements`), in the order of RIDs."""
        return (self._bytes(f) for f in self._files[execution] if f.is_metrics)

    def _document(self, execution: str, ending: str) -> Document:
        found = [f for f in self._files[execution] if f.name.endswith(ending)]
        if not found:
            return {}
        try:
            document = yaml.safe_load(self._bytes(found[-1]))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DerivaMLDataError(
                f"{found[-1].name!r} of execution {execution!r} is not a YAML document: {error}."
            ) from error
        return document if isinstance(document, dict) else {}

    @translated()
    def _bytes(self, file: DescribingFile) -> bytes:
        if file.url not in self._read:
            self._read[file.url] = self._session.catalog.objects.read(file.url)
        return self._read[file.url]


def _files_of(session: Session, executions: Iterable[str]) -> AttributeQuery:
    """Execution, RID, name and URL of each file that executions left, in the order of RIDs."""
    files = session.ml(MLAsset.execution_metadata.value)
    links = session.ml(f"{files.name}_Execution")
    steps: tuple[Element, ...] = (
        Restrict(any_of("Execution", executions)),
        Restrict(equals("Asset_Role", "Output")),
        link(files.name, files),
    )
    execution = Item(ColumnName("Execution", qualifier="made"))
    columns = [Item(ColumnName(c)) for c in ("RID", "Filename", "URL")]
    path = Path(Root(name_of(links), alias="made"), steps)
    return AttributeQuery(path, (execution, *columns), Window(sort=(SortKey("RID"),)))


def named_like(ending: str) -> Comparison:
    """The files whose names have an ending."""
    pattern = ending.replace(".", "[.]") + "$"
    return Comparison(ColumnName("Filename"), Operator.REGEXP, pattern)


def flat(document: Document, prefix: str = "") -> Document:
    """A document without nesting: names of members are joined by dots; lists stay whole.

    Example:
        >>> flat({"model": {"lr": 0.1}, "seed": 1})
        {'model.lr': 0.1, 'seed': 1}
    """
    found: Document = {}
    for name, value in document.items():
        if isinstance(value, dict) and value:
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found
