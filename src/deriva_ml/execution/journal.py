"""What an execution has done so far, in a small SQLite file in its working directory.

The journal is written before the catalog is. It holds the token that the execution's RID is
leased with, the configuration, every registered output, every staged feature value and what
became of each, so that a process killed at any moment can be taken up by another: what the
journal promises and the catalog does not have yet is done then, and only once, because the
commit to the catalog is one transaction under identifiers that the journal already knows.

What a method wrote when it returned survives a killed process. It also survives a power failure,
except for outputs and feature values written with ``flush=False``: those are on the disk with the
next thing that is flushed, which includes each change of the execution's state. While a run is
under way nothing is lost by that, because the bytes of its files are not flushed then either, and
a run that was interrupted is done over. A flush takes milliseconds on a busy disk; registering
thousands of files would show it.

The file is in WAL mode, where a flush concerns one append-only file, and where what was not
flushed is lost from the end: the journal is then as it was at an earlier moment.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deriva_ml.core.exceptions import (
    DerivaMLStateInconsistency,
    DerivaMLUnavailableError,
    DerivaMLValidationError,
)

__all__ = ["Journal", "JournalCall", "OutputFile", "StagedFeature"]

FILE_NAME = "journal.db"
FORMAT = 2

_SCHEMA = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE output (
    id INTEGER PRIMARY KEY,
    asset_schema TEXT NOT NULL, asset_table TEXT NOT NULL, file_name TEXT NOT NULL,
    path TEXT NOT NULL, source TEXT, types TEXT NOT NULL, metadata TEXT NOT NULL,
    description TEXT NOT NULL, token TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'pending', rid TEXT, error TEXT, content TEXT,
    attempt INTEGER NOT NULL,
    UNIQUE (asset_schema, asset_table, file_name)
);
CREATE TABLE feature_value (
    id INTEGER PRIMARY KEY,
    feature_schema TEXT NOT NULL, feature_table TEXT NOT NULL, about TEXT NOT NULL,
    row TEXT NOT NULL, committed INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL,
    UNIQUE (feature_schema, feature_table, about)
);
CREATE INDEX feature_value_pending ON feature_value (committed, feature_schema, feature_table);
CREATE TABLE input_asset (rid TEXT PRIMARY KEY, asset_table TEXT NOT NULL, path TEXT NOT NULL);
CREATE TABLE call (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, arguments TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE, result TEXT, attempt INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file registered as an output.

    `path`, below the execution's directory, is where the caller writes it; `source` is the file
    it was registered from, if it existed before; `token` names it; `status` is ``pending``,
    ``uploaded`` or ``failed``; `content` is what was stored of it: ``length``, ``md5``,
    ``sha256`` and the file's ``mtime`` then.
    """

    schema: str
    table: str
    file_name: str
    path: Path
    types: tuple[str, ...]
    token: str
    source: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    status: str = "pending"
    rid: str | None = None
    error: str | None = None
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StagedFeature:
    """A feature table with values that wait for the commit."""

    schema: str
    table: str
    count: int


@dataclass(frozen=True, slots=True)
class JournalCall:
    """A call that changes the catalog at once.

    `arguments` is a JSON text; `token` tells, by the catalog, whether it took place; `result` is
    what it returns, where that was to be kept.
    """

    number: int
    name: str
    arguments: str
    token: str
    result: Any = None


class Journal:
    """The journal of one execution. Safe to use from several threads of one process.

    Args:
        path: The SQLite file; its directory is the execution's working directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._reported():
            self._connection = sqlite3.connect(
                path, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL").close()
            self._connection.execute("PRAGMA synchronous = FULL")
            self._flushing = True

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, Any]) -> Journal:
        """Start a journal in `directory` with its first facts, visible only when complete.

        Raises:
            DerivaMLUnavailableError: The directory cannot be written.
        """
        unfinished = directory / f".{FILE_NAME}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for leftover in directory.glob(f"{unfinished.name}*"):
                leftover.unlink()
            journal = cls(unfinished)
            with journal._writing() as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            journal.record(**facts)
            journal.close()
            finished = unfinished.rename(directory / FILE_NAME)
            _sync_directory(directory)
        except DerivaMLUnavailableError:
            raise
        except OSError as error:
            raise _unavailable(directory, error) from error
        return cls(finished)

    @classmethod
    def open(cls, directory: Path) -> Journal:
        """Open the journal in `directory`.

        Raises:
            DerivaMLStateInconsistency: There is none, or it cannot be read.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise DerivaMLStateInconsistency(
                f"There is no journal of an execution in {str(directory)!r}; "
                "its local state is gone, so that it cannot be resumed."
            )
        journal = cls(path)
        version = journal._read("PRAGMA user_version")[0][0]
        if version != FORMAT:
            raise DerivaMLStateInconsistency(
                f"The journal {str(path)!r} has format {version}, this version reads {FORMAT}; "
                "resume the execution with the version that started it."
            )
        return journal

    # --- facts ---------------------------------------------------------------------------

    def record(self, **facts: Any) -> None:
        """Write down facts (JSON values), all at once; None removes one."""
        with self._writing() as connection:
            _keep_facts(connection, facts)

    def facts(self) -> dict[str, Any]:
        """Return all facts."""
        rows = self._read("SELECT name, value FROM fact")
        return {name: json.loads(value) for name, value in rows}

    def fact(self, name: str) -> Any:
        """Return one fact; None when there is none of that name."""
        rows = self._read("SELECT value FROM fact WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    # --- outputs -------------------------------------------------------------------------

    def add_output(self, output: OutputFile, *, attempt: int = 1, flush: bool = True) -> None:
        """Register an output file, or replace what is known of a pending one of that name."""
        with self._writing(flush) as connection:
            connection.execute(
                "INSERT INTO output (asset_schema, asset_table, file_name, path, source, types,"
                " metadata, description, token, attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (asset_schema, asset_table, file_name) DO UPDATE SET"
                " path = excluded.path, source = excluded.source, types = excluded.types,"
                " metadata = excluded.metadata, description = excluded.description,"
                " token = excluded.token, status = 'pending', rid = NULL, error = NULL,"
                " content = NULL, attempt = excluded.attempt",
                (
                    output.schema,
                    output.table,
                    output.file_name,
                    str(output.path),
                    None if output.source is None else str(output.source),
                    json.dumps(list(output.types)),
                    json.dumps(dict(output.metadata)),
                    output.description,
                    output.token,
                    attempt,
                ),
            )

    def find_output(self, schema: str, table: str, file_name: str) -> OutputFile | None:
        """Return the output of that name, if it is registered."""
        found = list(
            self._outputs(
                "WHERE asset_schema = ? AND asset_table = ? AND file_name = ?",
                (schema, table, file_name),
            )
        )
        return found[0] if found else None

    def outputs(self, status: str | None = None) -> list[OutputFile]:
        """Return the registered outputs in the order of registration."""
        if status is None:
            return list(self._outputs("", ()))
        return list(self._outputs("WHERE status = ?", (status,)))

    def stored(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        """Note, by token, that the bytes of outputs are in the object store."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE output SET content = ? WHERE token = ?",
                [(json.dumps(dict(content)), token) for token, content in contents.items()],
            )

    def update_output(
        self, token: str, changes: Mapping[str, Any], attempt: int | None = None
    ) -> None:
        """Change `types`, `metadata` or `description` of an output that is not uploaded.

        With `attempt`, it counts as registered by that attempt of the run.
        """
        with self._writing() as connection:
            if attempt is not None:
                connection.execute(
                    "UPDATE output SET attempt = ? WHERE token = ?", (attempt, token)
                )
            for name in changes.keys() & {"types", "metadata", "description"}:
                value = changes[name] if name == "description" else json.dumps(changes[name])
                connection.execute(
                    f"UPDATE output SET {name} = ? WHERE token = ? AND status <> 'uploaded'",
                    (value, token),
                )

    def forget_output(self, token: str) -> None:
        """Remove the registration of an output that is not uploaded."""
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM output WHERE token = ? AND status <> 'uploaded'", (token,)
            )

    # --- feature values ------------------------------------------------------------------

    def stage_features(
        self,
        values: Iterable[tuple[str, str, Sequence[Any], Mapping[str, Any]]],
        *,
        attempt: int = 1,
        flush: bool = True,
    ) -> int:
        """Keep feature values for the commit, all or none; returns how many.

        Args:
            values: (schema, table, what the value is about, row). There can be one value about
                the same thing; one that an earlier attempt of the run gave may be given again.
            attempt: The attempt of the run that gives them.
            flush: Whether they are to survive a power failure from now on.

        Raises:
            DerivaMLValidationError: There are two.
        """
        records = [
            (schema, table, json.dumps(list(about)), json.dumps(dict(row)), attempt)
            for schema, table, about, row in values
        ]
        with self._writing(flush) as connection:
            for record in records:
                kept = connection.execute(
                    "INSERT INTO feature_value (feature_schema, feature_table, about, row, attempt)"
                    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET attempt = excluded.attempt"
                    " WHERE row = excluded.row AND attempt < excluded.attempt AND committed = 0",
                    record,
                )
                if not kept.rowcount:
                    raise _given_already(connection, record)
        return len(records)

    def forget_features(self) -> None:
        """Drop the feature values that are not committed."""
        with self._writing() as connection:
            connection.execute("DELETE FROM feature_value WHERE committed = 0")

    def staged_features(self) -> list[StagedFeature]:
        """Return the feature tables that have values waiting, with how many."""
        rows = self._read(
            "SELECT feature_schema, feature_table, count(*) FROM feature_value"
            " WHERE committed = 0 GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [StagedFeature(*row) for row in rows]

    def feature_rows(self, staged: StagedFeature) -> list[dict[str, Any]]:
        """Return the waiting values of one feature, in the order they were staged."""
        rows = self._read(
            "SELECT row FROM feature_value WHERE committed = 0"
            " AND feature_schema = ? AND feature_table = ? ORDER BY id",
            (staged.schema, staged.table),
        )
        return [json.loads(row) for (row,) in rows]

    def committed_features(self) -> list[tuple[str, str, int]]:
        """Return (schema, table, count) of the values that are in the catalog."""
        rows = self._read(
            "SELECT feature_schema, feature_table, count(*) FROM feature_value"
            " WHERE committed = 1 GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [(schema, table, count) for schema, table, count in rows]

    # --- attempts ------------------------------------------------------------------------

    def new_attempt(self) -> int:
        """Begin another attempt of the run, and return its number; the first one is 1."""
        with self._writing() as connection:
            known = connection.execute("SELECT value FROM fact WHERE name = 'attempt'").fetchone()
            number = (json.loads(known[0]) if known else 1) + 1
            _keep_facts(connection, {"attempt": number})
        return int(number)

    def left_over(self, attempt: int) -> list[str]:
        """Return what attempts of the run before `attempt` registered, and no later one.

        Files and tables by name, and how many values of which features. What is uploaded, and
        what describes the execution, does not count.
        """
        tokens = json.dumps(self.fact("described_by") or [])
        files = self._read(
            "SELECT asset_table || '/' || file_name FROM output WHERE status <> 'uploaded'"
            " AND attempt < ? AND token NOT IN (SELECT value FROM json_each(?)) ORDER BY id",
            (attempt, tokens),
        )
        values = self._read(
            "SELECT count(*) || ' values of ' || feature_table FROM feature_value"
            " WHERE committed = 0 AND attempt < ? GROUP BY feature_table ORDER BY 1",
            (attempt,),
        )
        tables = self.fact("tables") or {}
        rows = self.fact("table_attempts") or {}
        old = [f"rows of {name}" for name in tables if rows.get(name, 1) < attempt]
        return [*(text for (text,) in (*files, *values)), *old]

    # --- calls ---------------------------------------------------------------------------

    def add_call(self, name: str, arguments: str, token: str, attempt: int) -> JournalCall:
        """Write down a call that is about to be carried out."""
        with self._writing() as connection:
            number = connection.execute(
                "INSERT INTO call (name, arguments, token, attempt) VALUES (?, ?, ?, ?)",
                (name, arguments, token, attempt),
            ).lastrowid
        return JournalCall(int(number or 0), name, arguments, token)

    def calls(
        self, after: int = 0, limit: int = -1, before_attempt: int | None = None
    ) -> list[JournalCall]:
        """Return calls in their order: those with larger numbers than `after`, at most `limit`.

        With `before_attempt`, only those that neither that attempt of the run nor a later one
        made.
        """
        rows = self._read(
            "SELECT number, name, arguments, token, result FROM call WHERE number > ?1"
            " AND (?2 IS NULL OR attempt < ?2) ORDER BY number LIMIT ?3",
            (after, before_attempt, limit),
        )
        return [
            JournalCall(number, name, arguments, token, json.loads(result or "null"))
            for number, name, arguments, token, result in rows
        ]

    def last_call(self) -> int:
        """Return the number of the last call; 0 when there is none."""
        return int(self._read("SELECT coalesce(max(number), 0) FROM call")[0][0])

    def made_again(self, number: int, attempt: int) -> None:
        """Note that an attempt of the run made a call that an earlier one had made."""
        with self._writing(flush=False) as connection:
            connection.execute("UPDATE call SET attempt = ? WHERE number = ?", (attempt, number))

    def keep_result(self, token: str, result: Any) -> None:
        """Write down what a call returns."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE call SET result = ? WHERE token = ?", (json.dumps(result), token)
            )

    def forget_calls(self, after: int) -> None:
        """Drop the calls with larger numbers than `after`, which did not take place."""
        with self._writing() as connection:
            connection.execute("DELETE FROM call WHERE number > ?", (after,))

    # --- inputs --------------------------------------------------------------------------

    def add_input_asset(self, rid: str, table: str, path: Path) -> None:
        """Remember where an input asset was put."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO input_asset VALUES (?, ?, ?)", (rid, table, str(path))
            )

    def input_assets(self) -> list[tuple[str, str, Path]]:
        """Return (RID, asset table, path below the execution's directory) of each input."""
        rows = self._read("SELECT rid, asset_table, path FROM input_asset ORDER BY rowid")
        return [(rid, table, Path(path)) for rid, table, path in rows]

    # --- after the commit ----------------------------------------------------------------

    def committed(self, rids: Mapping[str, str], **facts: Any) -> None:
        """Mark everything as committed: outputs by token with their RIDs, all feature values."""
        with self._writing() as connection:
            _mark_uploaded(connection, rids)
            connection.execute("UPDATE feature_value SET committed = 1 WHERE committed = 0")
            _keep_facts(connection, facts)

    def uploaded(self, rids: Mapping[str, str]) -> None:
        """Mark outputs as uploaded, by token with their RIDs."""
        with self._writing() as connection:
            _mark_uploaded(connection, rids)

    def failed(self, errors: Mapping[str, str]) -> None:
        """Mark outputs as failed, by token, with the reasons."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE output SET status = 'failed', error = ? WHERE token = ?",
                [(error, token) for token, error in errors.items()],
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # --- inside --------------------------------------------------------------------------

    def _outputs(self, where: str, values: Sequence[str]) -> Iterator[OutputFile]:
        rows = self._read(
            "SELECT asset_schema, asset_table, file_name, path, source, types, metadata,"
            f" description, token, status, rid, error, content FROM output {where} ORDER BY id",
            values,
        )
        for row in rows:
            yield OutputFile(
                schema=row[0],
                table=row[1],
                file_name=row[2],
                path=Path(row[3]),
                source=None if row[4] is None else Path(row[4]),
                types=tuple(json.loads(row[5])),
                metadata=json.loads(row[6]),
                description=row[7],
                token=row[8],
                status=row[9],
                rid=row[10],
                error=row[11],
                content=None if row[12] is None else json.loads(row[12]),
            )

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, self._reported():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self, flush: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock, self._reported():
            if flush is not self._flushing:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
                self._flushing = flush
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _unavailable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise DerivaMLStateInconsistency(
                f"The journal {str(self.path)!r} cannot be read ({error}); "
                "its local state is lost. Abort the execution and run it again."
            ) from error


def _given_already(
    connection: sqlite3.Connection, record: tuple[str, str, str, str, int]
) -> DerivaMLValidationError:
    """The error for a second value about the same thing."""
    found = connection.execute(
        "SELECT row, attempt < ? AND committed = 0 FROM feature_value"
        " WHERE feature_schema = ? AND feature_table = ? AND about = ?",
        (record[4], *record[:3]),
    ).fetchone()
    if found[1]:
        return DerivaMLValidationError(
            f"Before it was interrupted, this execution gave another value in {record[1]!r} about "
            f"{record[2]}: {found[0]} instead of {record[3]}. Call restart() before the run is "
            "done over, which forgets what waits for the upload."
        )
    return DerivaMLValidationError(
        f"This execution has given a value in {record[1]!r} about {record[2]} "
        "already; an execution gives one value of a feature for each row."
    )


def _mark_uploaded(connection: sqlite3.Connection, rids: Mapping[str, str]) -> None:
    connection.executemany(
        "UPDATE output SET status = 'uploaded', rid = ?, error = NULL WHERE token = ?",
        [(rid, token) for token, rid in rids.items()],
    )


def _keep_facts(connection: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    for name, value in facts.items():
        if value is None:
            connection.execute("DELETE FROM fact WHERE name = ?", (name,))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(value))
            )


def _unavailable(path: Path, error: Exception) -> DerivaMLUnavailableError:
    return DerivaMLUnavailableError(
        f"The journal of an execution in {str(path)!r} cannot be used: {error}. Check free space "
        "and permissions of the working directory; what was written before is kept."
    )


def _sync_directory(directory: Path) -> None:
    """Make the entries of a directory survive a power failure, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
