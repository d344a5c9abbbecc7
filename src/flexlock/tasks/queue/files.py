"""The task queue as small files, for file systems on which SQLite cannot lock.

All that it asks of the file system is that two processes cannot both create the same name.

::

    run.lock.queue/
      tasks.jsonl              a line for each task: what never changes
      claims/<id>.<attempt>    created by the one worker that runs this attempt
      ends/<id>.<attempt>      how the attempt ended; ``.0`` is a task that waits under a new plan
      workers/<name>           a worker and its lease
      notes/<name>

A task is where its highest attempt is: running when there is a claim without an end, else what the
end says. An end that cannot be parsed (its writer died, or the power went) is not there.
"""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flexlock.errors import QueueError
from flexlock.files import write_atomically
from flexlock.run.owner import Owner
from flexlock.tasks.encoding import decode, encode
from flexlock.tasks.model import TaskState
from flexlock.tasks.queue.records import Claim, Outcome, Settlement, TaskRow, WorkerRow

__all__ = ["FilesQueue"]

_FOLDERS = ("claims", "ends", "workers", "notes")
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A task and the rank by which it is taken."""

    row: TaskRow
    rank: float


class FilesQueue:
    """A `TaskQueue` in a directory of files."""

    def __init__(self, path: Path) -> None:
        """Open the queue at `path`, or make an empty one.

        Raises:
            QueueError: The directory cannot be made.
        """
        self.path = path
        self._parsed: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}
        self._fixed: list[TaskRow] = []
        self._fixed_bytes = 0
        self._seen: dict[str, TaskRow] = {}
        try:
            for folder in _FOLDERS:
                (path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise _unusable(path, cause) from cause

    def read_note(self, name: str) -> str | None:
        """Return a note, or None."""
        try:
            return self._note(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write_note(self, name: str, text: str | None) -> None:
        """Keep a note under a name; None removes it."""
        if text is None:
            self._note(name).unlink(missing_ok=True)
        else:
            _write(self._note(name), text)

    def add(self, rows: Sequence[TaskRow]) -> None:
        """Add tasks as they are given. Those whose id is known already stay as they are."""
        known = {entry.row.id for entry in self._entries()}
        new = [row for row in rows if row.id not in known]
        for row in new:
            if row.attempt or row.state != "pending":
                self._replace_end(row.id, row.attempt, _end_of(row, rank=None))
        lines = [json.dumps(_fixed(row), ensure_ascii=False) + "\n" for row in new]
        try:
            with (self.path / "tasks.jsonl").open("a", encoding="utf-8") as file:
                # The first line break ends a line that was cut when its writer died.
                file.write("\n" + "".join(lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as cause:
            raise _unusable(self.path, cause) from cause

    def rows(self, state: TaskState | None = None) -> list[TaskRow]:
        """Return all tasks, or those in one state, in the order in which they were added."""
        rows = [entry.row for entry in self._entries()]
        return rows if state is None else [row for row in rows if row.state == state]

    def changes(self) -> list[TaskRow]:
        """Return the tasks that changed since the last call on this object; first, all."""
        rows = self.rows()
        now = {row.id: replace(row, lease_until=None) for row in rows}
        changed = [row for row in rows if self._seen.get(row.id) != now[row.id]]
        self._seen = now
        return changed

    def exchange(
        self,
        worker: str,
        plan: str,
        outcomes: Sequence[Outcome] = (),
        *,
        limit: int = 0,
        lease_s: float,
    ) -> list[Claim]:
        """Hand in outcomes and take up to `limit` pending tasks of a plan, in their order.

        Nothing is taken while the note ``stop`` exists. The worker's lease is renewed.
        """
        for outcome in outcomes:
            self._end(outcome, worker, outcome.attempt, outcome.state)
        self._extend(worker, lease_s)
        if limit <= 0 or self._note("stop").exists():
            return []
        pending = [
            entry
            for entry in self._entries()
            if entry.row.state == "pending" and entry.row.plan == plan
        ]
        pending.sort(key=lambda entry: entry.rank)
        claims: list[Claim] = []
        for entry in pending:
            if len(claims) == limit:
                break
            claims.extend(self._claim(entry.row, worker))
        return claims

    def release(self, worker: str, ids: Collection[str]) -> None:
        """Give back tasks that the worker took and did not start; the attempt is not counted."""
        for row in self.rows("running"):
            if row.id in ids and row.owner == worker:
                self._claim_file(row.id, row.attempt).unlink(missing_ok=True)

    def renew(self, worker: str, lease_s: float) -> None:
        """Extend the worker's lease, and with it that of its tasks."""
        self._extend(worker, lease_s)

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """Decide about tasks of workers that are gone; return the ids for which it counted."""
        return [one.id for one in settlements if self._settle(one)]

    def reset(self, ids: Collection[str], plan: str, *, shuffle: bool = False) -> None:
        """Make tasks pending again, under a plan, with all their tries before them.

        Tasks that run now, or are pending, keep their state. `shuffle` has the pending ones taken
        in random order.
        """
        wanted = set(ids)
        for entry in self._entries():
            row = entry.row
            if row.id in wanted and row.state != "running":
                rank = random.random() if shuffle else None
                fresh = replace(row, state="pending", plan=plan, tries=0)
                self._replace_end(row.id, row.attempt, _end_of(fresh, rank=rank))

    def begin_worker(self, worker: WorkerRow) -> None:
        """Write down a worker; one of the same name is replaced."""
        text = json.dumps(asdict(worker))
        _write(self.path / "workers" / worker.name, text, sync=False)

    def end_worker(self, name: str, error: str | None = None) -> None:
        """Note that a worker has ended, and what kept it from working."""
        for worker in self.workers():
            if worker.name == name:
                self.begin_worker(replace(worker, ended=time.time(), error=error))

    def workers(self) -> list[WorkerRow]:
        """Return all workers, those that ended too."""
        names = sorted(entry.name for entry in os.scandir(self.path / "workers"))
        documents = (self._parse(f"workers/{name}") for name in names if name[0] != ".")
        return [_worker(document) for document in documents if document is not None]

    def close(self, *, last: bool = False) -> None:
        """Do nothing: no file stays open."""

    def _note(self, name: str) -> Path:
        return self.path / "notes" / name.replace("/", "_").replace(":", "-")

    def _claim_file(self, task: str, attempt: int) -> Path:
        return self.path / "claims" / f"{task}.{attempt}"

    def _end_file(self, task: str, attempt: int) -> Path:
        return self.path / "ends" / f"{task}.{attempt}"

    def _claim(self, row: TaskRow, worker: str) -> Iterator[Claim]:
        """Yield the claim, or nothing when another worker was faster."""
        attempt = row.attempt + 1
        content = {
            "owner": worker,
            "claimed": time.time(),
            "tries": row.tries + 1,
            "plan": row.plan,
        }
        if self._create(self._claim_file(row.id, attempt), content, sync=False):
            tries = row.tries + 1
            yield Claim(row.id, row.index, row.name, row.values, row.directory, attempt, tries)

    def _extend(self, worker: str, lease_s: float) -> None:
        document = self._parse(f"workers/{worker}")
        if document is not None:
            row = _worker(document)
            self.begin_worker(replace(row, lease_until=time.time() + lease_s))

    def _settle(self, one: Settlement) -> bool:
        if one.outcome is not None:
            state = "pending" if one.again else one.outcome.state
            return self._end(one.outcome, one.owner, one.attempt, state)
        claim = self._parse(f"claims/{one.id}.{one.attempt}")
        if claim is None or claim.get("owner", "") != one.owner:
            return False
        if self._parse(f"ends/{one.id}.{one.attempt}") is not None:
            return False
        self._claim_file(one.id, one.attempt).unlink(missing_ok=True)
        return True

    def _end(self, outcome: Outcome, owner: str, attempt: int, state: str) -> bool:
        claim = self._parse(f"claims/{outcome.id}.{attempt}")
        if claim is None or claim.get("owner", "") != owner:
            return False
        before = self._parse(f"ends/{outcome.id}.{attempt - 1}") or {}
        document = {
            "state": state,
            "plan": before.get("plan", claim.get("plan")),
            "tries": claim.get("tries", 1),
            "rank": before.get("rank"),
            "outcome": asdict(outcome),
        }
        target = self._end_file(outcome.id, attempt)
        if self._parse(f"ends/{outcome.id}.{attempt}") is None and target.exists():
            _write(target, _text(document))  # its writer died half way
            return True
        return self._create(target, document, sync=True)

    def _replace_end(self, task: str, attempt: int, document: Mapping[str, Any]) -> None:
        _write(self._end_file(task, attempt), _text(document), sync=False)

    def _create(self, target: Path, document: Mapping[str, Any], *, sync: bool) -> bool:
        """Create a file with its content; return False when it exists already."""
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        _write(temporary, _text(document), sync=sync)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise _unusable(self.path, error) from error
            return _create_exclusively(target, _text(document))
        finally:
            temporary.unlink()
        return True

    def _parse(self, name: str) -> dict[str, Any] | None:
        """Return the content of a file: None when it is missing, or no whole document."""
        path = self.path / name
        try:
            status = path.stat()
            key = (status.st_mtime_ns, status.st_size, status.st_ino)
            kept = self._parsed.get(name)
            if kept is not None and kept[0] == key:
                return kept[1]
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            self._parsed.pop(name, None)
            return None
        except ValueError:
            return {"claimed": status.st_mtime} if name.startswith("claims/") else None
        self._parsed[name] = (key, document)
        return dict(document)

    def _entries(self) -> list[_Entry]:
        claims = _highest(self.path / "claims")
        ends = _highest(self.path / "ends")
        return [self._entry(row, claims, ends) for row in self._read_fixed()]

    def _entry(self, row: TaskRow, claims: Mapping[str, int], ends: Mapping[str, int]) -> _Entry:
        claimed, ended = claims.get(row.id, 0), ends.get(row.id, 0)
        end = self._parse(f"ends/{row.id}.{ended}")
        while end is None and ended > 0:
            ended -= 1
            end = self._parse(f"ends/{row.id}.{ended}")
        end = end or {}
        rank = row.index if end.get("rank") is None else end["rank"]
        outcome = None if end.get("outcome") is None else Outcome(**end["outcome"])
        plan = end.get("plan", row.plan)
        row = replace(row, plan=plan, tries=end.get("tries", 0), outcome=outcome)
        holder = self._parse(f"claims/{row.id}.{max(claimed, ended)}") or {}
        row = replace(row, owner=holder.get("owner"), claimed=holder.get("claimed"))
        if claimed > ended and holder:
            tries, owner = holder.get("tries", 1), holder.get("owner", "")
            row = replace(row, state="running", attempt=claimed, tries=tries, owner=owner)
            return _Entry(replace(row, lease_until=self._lease(owner, row.claimed)), rank)
        return _Entry(replace(row, state=end.get("state", "pending"), attempt=ended), rank)

    def _lease(self, worker: str, claimed: float | None) -> float | None:
        document = self._parse(f"workers/{worker}") if worker else None
        return claimed if document is None else document["lease_until"]

    def _read_fixed(self) -> list[TaskRow]:
        path = self.path / "tasks.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size != self._fixed_bytes:
            # Not `splitlines`: JSON keeps other line breaks of Unicode within a line.
            lines = path.read_text(encoding="utf-8").split("\n")
            documents = {d["id"]: d for d in map(_line, reversed(lines)) if d is not None}
            rows = [_fixed_row(document) for document in reversed(documents.values())]
            self._fixed = [replace(row, index=index) for index, row in enumerate(rows)]
            self._fixed_bytes = size
        return self._fixed


def _write(path: Path, text: str, *, sync: bool = True) -> None:
    """Write a file of the queue in one step."""
    try:
        write_atomically(path, text, sync=sync)
    except OSError as cause:
        raise _unusable(path.parents[1], cause) from cause


def _unusable(path: Path, cause: OSError) -> QueueError:
    message = f"The task queue {str(path)!r} cannot be used: {cause.strerror or cause}."
    hint = "Check that its directory is writable and not full."
    return QueueError(message, hint=hint, path=path)


def _highest(folder: Path) -> dict[str, int]:
    """Return the highest attempt of each task that has a file in a folder."""
    found: dict[str, int] = {}
    for entry in os.scandir(folder):
        task, _, attempt = entry.name.rpartition(".")
        if task and not task.startswith(".") and attempt.isdigit():
            found[task] = max(found.get(task, 0), int(attempt))
    return found


def _fixed(row: TaskRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "index": row.index,
        "name": row.name,
        "values": encode(dict(row.values)),
        "directory": row.directory,
        "plan": row.plan,
    }


def _worker(document: Mapping[str, Any]) -> WorkerRow:
    return WorkerRow(**{**document, "process": Owner(**document["process"])})


def _fixed_row(document: Mapping[str, Any]) -> TaskRow:
    return TaskRow(**{**document, "values": decode(document["values"])})


def _end_of(row: TaskRow, *, rank: float | None) -> dict[str, Any]:
    return {
        "state": row.state,
        "plan": row.plan,
        "tries": row.tries,
        "rank": rank,
        "outcome": None if row.outcome is None else asdict(row.outcome),
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, default=repr)


def _line(line: str) -> dict[str, Any] | None:
    """Return the document of a line; None for one that was cut when its writer died."""
    with suppress(ValueError):
        document = json.loads(line)
        if isinstance(document, dict):
            return document
    return None


def _create_exclusively(target: Path, text: str) -> bool:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return True
