"""A store behind the `rclone` program: some seventy kinds of remote, as `rclone config` knows them.

Files are handed over in one call for many: a folder of symbolic links, named by their keys, is
copied with ``--copy-links``. They go to ``incoming/`` first and are moved to their place when they
are complete, since not every remote writes a file in one step.

Source: rclone's manual, "copy", "moveto", "lsjson" and "Filtering".
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flexlock.errors import ShareError
from flexlock.sharing.stores.interface import Progress

__all__ = ["RcloneStore", "find_rclone"]

_OLDEST = (1, 60)
_NO_SUCH_DIRECTORY, _NO_SUCH_FILE = 3, 4
_INCOMING = "incoming"
# Several streams would write into a file of full size that has holes: half a file would look whole.
_CAREFUL = ("--multi-thread-streams", "0")


@dataclass(frozen=True, slots=True)
class RcloneStore:
    """Keys are paths below `remote`, as ``name:path`` or as a path of this machine."""

    remote: str

    @property
    def url(self) -> str:
        """``rclone:`` and the remote."""
        return f"rclone:{self.remote}"

    def sizes(self, keys: Collection[str]) -> dict[str, int]:
        """Return the sizes in bytes of those of the keys that are there."""
        if not keys:
            return {}
        # Asking for a thousand keys one by one costs more than one listing of what is there.
        with _list_of(keys) as names:
            listed = _rclone(
                "lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype",
                "--files-from-raw", str(names), self.remote,
                empty=(_NO_SUCH_DIRECTORY,),
            )  # fmt: skip
        entries = json.loads(listed) if listed.strip(b"[ \n") else []
        return {entry["Path"]: int(entry["Size"]) for entry in entries}

    def upload(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Copy local files to the remote, which checks them, and move them to their place.

        The keys lie in folders.
        """
        if not files:
            return
        incoming = self._at(_INCOMING)
        with tempfile.TemporaryDirectory(prefix="flexlock-push-") as folder:
            for key, source in files.items():
                link = Path(folder, key)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source.absolute())
            _rclone_with_progress(
                ("copy", "--copy-links", "--checksum", *_CAREFUL, folder, incoming), progress
            )
        # rclone does not move between folders that lie in each other: one call for each top folder.
        for top in sorted({key.partition("/")[0] for key in files}):
            inside = [key.removeprefix(f"{top}/") for key in files if key.startswith(f"{top}/")]
            with _list_of(inside) as names:
                arrived = f"{incoming}/{top}"
                _rclone("move", "--files-from-raw", str(names), arrived, self._at(top))

    def download(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Copy keys to a folder beside their paths and put each into its place when complete."""
        for folder, wanted in _by_folder(files).items():
            with tempfile.TemporaryDirectory(prefix=".flexlock-pull-", dir=folder) as landing:
                with _list_of(wanted) as names:
                    _rclone_with_progress(
                        ("copy", "--files-from-raw", str(names), *_CAREFUL, self.remote, landing),
                        progress,
                    )
                for key, target in wanted.items():
                    arrived = Path(landing, key)
                    if not arrived.exists():
                        message = f"The store {self.url!r} does not have {key!r}."
                        raise ShareError(message, key=key, store=self.url)
                    arrived.replace(target)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None when it is not there."""
        if key not in self.sizes([key]):
            return None
        return _rclone("cat", self._at(key))

    def write(self, key: str, data: bytes) -> None:
        """Store a few bytes under a key, replacing what was there."""
        with tempfile.TemporaryDirectory(prefix="flexlock-push-") as folder:
            source = Path(folder, "bytes")
            source.write_bytes(data)
            arriving = self._at(f"{_INCOMING}/{key}")
            _rclone("copyto", "--ignore-times", str(source), arriving)
            _rclone("moveto", "--ignore-times", arriving, self._at(key))

    def local_path(self, key: str) -> Path | None:
        """Return None: what rclone calls local may be anywhere."""
        return None

    def _at(self, key: str) -> str:
        separator = "" if self.remote.endswith((":", "/")) else "/"
        return f"{self.remote}{separator}{key}"


# --- the program --------------------------------------------------------------------------


@cache
def find_rclone() -> str:
    """Return the path of a `rclone` that is new enough.

    Raises:
        ShareError: There is none.
    """
    found = shutil.which("rclone")
    if found is None:
        message = "The program 'rclone' is not installed."
        raise ShareError(message, hint="Install it, or use a folder or an s3:// address as store.")
    text = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v(\d+)\.(\d+)", text)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        what = version[0] if version else "of an unknown version"
        message = f"{found!r} is {what}; 'v{_OLDEST[0]}.{_OLDEST[1]}' or newer is needed."
        raise ShareError(message, hint="Install a newer rclone.")
    return found


def _command(arguments: Sequence[str]) -> list[str]:
    command, *rest = arguments
    return [find_rclone(), command, "--use-json-log", "--stats-log-level", "NOTICE", *rest]


def _rclone(*arguments: str, empty: Collection[int] = ()) -> bytes:
    """Run rclone and return what it prints; exit codes in `empty` mean that there is nothing."""
    done = subprocess.run(_command(arguments), capture_output=True, check=False)
    if done.returncode in empty:
        return b""
    if done.returncode:
        raise _failed(arguments, [_message(line) for line in done.stderr.splitlines()])
    return done.stdout


def _rclone_with_progress(arguments: Sequence[str], progress: Progress) -> None:
    command = [*_command(arguments), "--stats", "500ms"]
    said: list[Mapping[str, Any]] = []
    moved = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            message = _message(line)
            said.append(message)
            now = int(message.get("stats", {}).get("bytes", moved))
            if now > moved:
                progress(now - moved)
                moved = now
    if process.returncode:
        raise _failed(arguments, said)


def _message(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"level": "error", "msg": line.decode()}


def _failed(arguments: Sequence[str], said: Sequence[Mapping[str, Any]]) -> ShareError:
    errors = [
        ": ".join(filter(None, (str(m.get("object", "")), str(m.get("msg", "")).strip())))
        for m in said
        if m.get("level") in ("error", "critical", "fatal")
    ]
    why = "; ".join(dict.fromkeys(errors[-3:])) or "it gave no reason"
    return ShareError(
        f"'rclone {arguments[0]}' failed for {arguments[-1]!r}: {why}.",
        hint="What was moved before stays; repeat the command once that is put right.",
    )


@contextmanager
def _list_of(keys: Collection[str]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="flexlock-", suffix=".txt", delete=False) as file:
        file.writelines(f"{key}\n" for key in keys)
    path = Path(file.name)
    try:
        yield path
    finally:
        path.unlink()


def _by_folder(files: Mapping[str, Path]) -> dict[Path, dict[str, Path]]:
    """Group by a folder on the targets' own file system, so that putting in place is a rename."""
    groups: dict[Path, dict[str, Path]] = {}
    devices: dict[int, Path] = {}
    for key, target in files.items():
        folder = devices.setdefault(target.parent.stat().st_dev, target.parent)
        groups.setdefault(folder, {})[key] = target
    return groups
