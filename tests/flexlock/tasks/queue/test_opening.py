"""The kind of queue fits the file system; damaged and foreign files are told apart."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from flexlock.errors import ConfigError, QueueError
from flexlock.run.owner import this_process
from flexlock.tasks.queue.files import FilesQueue
from flexlock.tasks.queue.locking import can_lock, mount_options
from flexlock.tasks.queue.opening import DATABASE, FOLDER, find_queue, open_queue
from flexlock.tasks.queue.records import Outcome, TaskRow, WorkerRow
from flexlock.tasks.queue.sqlite import SqliteQueue

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
40 22 0:35 / /home rw,nosuid shared:2 - nfs4 server:/home rw,vers=4.2,local_lock=none
41 22 0:36 / /home/old\\040data rw shared:3 - nfs server:/old rw,vers=3,nolock,local_lock=all
42 22 0:37 / /scratch rw - lustre mds@tcp:/scratch rw,localflock
"""


@pytest.mark.parametrize(
    ("directory", "option"),
    [
        ("/home/ann/x", "local_lock=none"),
        ("/home/old data/x", "nolock"),
        ("/scratch", "localflock"),
        ("/scratchy", "discard"),
    ],
)
def test_mount_options_are_those_of_the_innermost_mount(directory: str, option: str) -> None:
    assert option in mount_options(Path(directory), MOUNTS)


def test_a_local_file_system_can_lock_and_the_probe_is_removed(tmp_path: Path) -> None:
    assert can_lock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sqlite_is_the_usual_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEXLOCK_QUEUE", raising=False)
    queue = open_queue(tmp_path)
    assert (type(queue), queue.path) == (SqliteQueue, tmp_path / DATABASE)
    queue.close()


def test_files_are_taken_when_asked_for_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXLOCK_QUEUE", "files")
    assert isinstance(open_queue(tmp_path), FilesQueue)
    monkeypatch.delenv("FLEXLOCK_QUEUE")
    assert isinstance(open_queue(tmp_path), FilesQueue)
    assert isinstance(find_queue(tmp_path), FilesQueue)
    assert isinstance(find_queue(tmp_path / FOLDER), FilesQueue)
    with pytest.raises(QueueError, match="files queue"):
        open_queue(tmp_path, "sqlite")


def test_a_place_and_a_kind_that_will_not_do_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLEXLOCK_QUEUE", raising=False)
    with pytest.raises(QueueError, match="gone': No such file"):
        open_queue(tmp_path / "gone")
    monkeypatch.setenv("FLEXLOCK_QUEUE", "sqlit")
    with pytest.raises(ConfigError, match="'sqlit' is no kind of queue"):
        open_queue(tmp_path)


def test_there_is_no_queue_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="no task queue"):
        find_queue(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_says_that_it_is_damaged(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database" * 100)
    with pytest.raises(QueueError, match="rebuilds it") as caught:
        open_queue(tmp_path)
    assert caught.value.facts["corrupt"]


def test_a_queue_that_another_process_makes_meanwhile_is_no_foreign_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(sqlite3.Connection):
        """After the first question about what the file is, there is a queue."""

        def execute(self, *words: str) -> SimpleNamespace:  # type: ignore[override]
            rows = super().execute(*words).fetchall()
            if "application_id" in words[0] or "schema" in words[0]:
                monkeypatch.undo()
                SqliteQueue(tmp_path / DATABASE).close()
            return SimpleNamespace(fetchone=lambda: rows[0])

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Interrupted))
    open_queue(tmp_path, "sqlite").close()


def test_a_foreign_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(QueueError, match="no task queue of this program"):
        open_queue(tmp_path)
    assert path.read_bytes() == before


def test_a_queue_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / DATABASE)
    queue.close()
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(QueueError, match="newer version"):
        open_queue(tmp_path)


def test_files_cut_by_a_dying_writer_are_as_if_not_written(tmp_path: Path) -> None:
    queue = FilesQueue(tmp_path / FOLDER)
    queue.add([TaskRow(name, i, name, {"x": i}, name, plan="p") for i, name in enumerate("ab")])
    queue.begin_worker(WorkerRow("w", "local", this_process()))
    queue.exchange("w", "p", limit=2, lease_s=60)
    tasks, end = queue.path / "tasks.jsonl", queue.path / "ends" / "a.1"
    tasks.write_text(tasks.read_text() + '{"id": "c", "ind')
    end.write_text('{"state": "do')
    (queue.path / "claims" / "b.1").write_text("")
    queue.add([TaskRow("d", 2, "d", {"x": 3}, "d", plan="p")])
    rows = FilesQueue(tmp_path / FOLDER).rows()
    assert [(row.id, row.state, row.owner) for row in rows] == [
        ("a", "running", "w"),
        ("b", "running", ""),
        ("d", "pending", None),
    ]
    queue.exchange("w", "p", [Outcome("a", 1, "done", "returned")], lease_s=60)
    assert queue.rows()[0].state == "done"
