"""What an execution has registered, file by file, as its journal says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.objects import hash_file
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLValidationError, some_of
from deriva_ml.core.rids import check_rid

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.journal import Journal, OutputFile

__all__ = ["AssetEntry", "AssetManifest"]


@dataclass(frozen=True, slots=True)
class AssetEntry:
    """A registered file.

    Attributes:
        asset_table: Its asset table.
        schema: The schema of the table.
        asset_types: Terms of ``Asset_Type``.
        metadata: Values of the table's metadata columns.
        description: What it is.
        status: ``pending``, ``uploaded`` or ``failed``.
        rid: Its RID, once it is uploaded.
        uploaded_at: When the execution was last uploaded, if the file was.
        error: Why it was not uploaded.
    """

    asset_table: str
    schema: str
    asset_types: list[str] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    status: str = "pending"
    rid: str | None = None
    uploaded_at: datetime | None = None
    error: str | None = None


class AssetManifest:
    """The registered files of an execution of this machine, by ``<table>/<file name>``.

    It is read anew at each question.

    Args:
        store: The connection.
        execution_rid: RID of the execution.

    Raises:
        DerivaMLStateInconsistency: The execution has no journal here.
    """

    def __init__(self, store: DerivaML, execution_rid: str) -> None:
        self._executions = store.executions
        self.execution_rid = check_rid(execution_rid)
        with self._journal():
            pass

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        journal = self._executions.around.local.open(self.execution_rid)[0]
        try:
            yield journal
        finally:
            journal.close()

    @property
    def assets(self) -> dict[str, AssetEntry]:
        """All registered files, in the order of registration."""
        with self._journal() as journal:
            at = journal.fact("committed_at")
            when = None if at is None else datetime.fromisoformat(at)
            return {f"{o.table}/{o.file_name}": _entry(o, when) for o in journal.outputs()}

    def pending_assets(self) -> dict[str, AssetEntry]:
        """The files that are not uploaded, also those that failed."""
        return {key: e for key, e in self.assets.items() if e.status != "uploaded"}

    def uploaded_assets(self) -> dict[str, AssetEntry]:
        """The files that are uploaded."""
        return {key: e for key, e in self.assets.items() if e.status == "uploaded"}

    def failed_assets(self) -> dict[str, AssetEntry]:
        """The files that a commit could not upload."""
        return {key: e for key, e in self.assets.items() if e.status == "failed"}

    def __getitem__(self, key: str) -> AssetEntry:
        found = self.assets
        if key not in found:
            raise self._unknown(key, list(found))
        return found[key]

    def add_asset(self, key: str, entry: AssetEntry) -> None:
        """Register a file that will be written, or changes of one that waits.

        Args:
            key: ``<table>/<file name>``.
            entry: Its table, types, metadata and description.

        Raises:
            DerivaMLValidationError: The key does not name a file of the entry's table.
            DerivaMLInvalidTerm: A type is not a term.
        """
        from deriva_ml.execution.outputs import register

        table, _, name = key.partition("/")
        if table != entry.asset_table or not name:
            raise DerivaMLValidationError(
                f"{key!r} is no key of a file of table {entry.asset_table!r}: write "
                f"'{entry.asset_table}/name'."
            )
        run = self._executions.reopen(self.execution_rid)
        try:
            register(
                run,
                f"{entry.schema}:{entry.asset_table}",
                name,
                entry.asset_types or None,
                metadata=entry.metadata,
                description=entry.description,
            )
        finally:
            run.journal.close()

    def mark_failed(self, key: str, error: str) -> None:
        """Note why a file that waits cannot be uploaded; the next commit tries it again.

        Raises:
            DerivaMLNotFoundError: There is no such file.
            DerivaMLValidationError: It is uploaded.
        """
        with self._journal() as journal:
            output = self._waiting(journal, [key])[key]
            journal.failed({output.token: error})

    def mark_uploaded(self, key: str, rid: str) -> None:
        """Note that the catalog has a file already (see `mark_uploaded_batch`)."""
        self.mark_uploaded_batch({key: rid})

    def mark_uploaded_batch(self, rids: Mapping[str, str]) -> None:
        """Note that the catalog has files already, which some other way brought there.

        The execution becomes their maker, and the commit leaves them out.

        Args:
            rids: RIDs of assets by key.

        Raises:
            DerivaMLNotFoundError: There is no such file.
            DerivaMLRidsNotFound: There is no such asset.
            DerivaMLValidationError: A file is uploaded, or the asset is another file.
        """
        run = self._executions.reopen(self.execution_rid)
        try:
            found = run.around.assets.rows(rids.values())
            waiting = self._waiting(run.journal, list(rids))
            for key, rid in rids.items():
                _check_same(run.inside(waiting[key].path), waiting[key], *found[rid])
            with run.session.transaction():
                made = [(found[rid][0], rid) for rid in rids.values()]
                run.around.assets.attach(run.rid, made, "Output")
            run.journal.uploaded({waiting[key].token: rid for key, rid in rids.items()})
        finally:
            run.journal.close()

    def _waiting(self, journal: Journal, keys: list[str]) -> dict[str, OutputFile]:
        """The outputs of these keys, none of which may be uploaded."""
        outputs = {f"{o.table}/{o.file_name}": o for o in journal.outputs()}
        for key in keys:
            if key not in outputs:
                raise self._unknown(key, list(outputs))
            if outputs[key].status == "uploaded":
                raise DerivaMLValidationError(
                    f"The output {key!r} is uploaded already, as {outputs[key].rid!r}."
                )
        return {key: outputs[key] for key in keys}

    def _unknown(self, key: str, known: list[str]) -> DerivaMLNotFoundError:
        return DerivaMLNotFoundError(
            f"Execution {self.execution_rid!r} has no output {key!r}; it has "
            f"{some_of(known) or 'none'}."
        )

    def __len__(self) -> int:
        return len(self.assets)

    def __repr__(self) -> str:
        return f"AssetManifest({self.execution_rid!r}, {len(self)} files)"


def _entry(output: OutputFile, when: datetime | None) -> AssetEntry:
    return AssetEntry(
        output.table,
        output.schema,
        list(output.types),
        dict(output.metadata),
        output.description or None,
        output.status,
        output.rid,
        when if output.status == "uploaded" else None,
        output.error,
    )


def _check_same(path: Path, output: OutputFile, table: Table, row: Row) -> None:
    """Refuse an asset of another table, or with other bytes than the file has."""
    same = (table.schema, table.name) == (output.schema, output.table)
    if not same or (path.is_file() and hash_file(path).md5 != row["MD5"]):
        raise DerivaMLValidationError(
            f"The asset {row['RID']!r} of table {table.name!r} ({row['Filename']!r}, MD5 "
            f"{row['MD5']}) is not the output {output.table}/{output.file_name}."
        )
