"""A project with a remote, runs in it, and a second person's folder."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flexlock.code.capture import capture
from flexlock.data.hashing import hash_bytes
from flexlock.data.tracking import track
from flexlock.lock.document import read_text, write_lock
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import Caller, PrevState, RunLock

SCRIPT = "from pathlib import Path\nprint(Path('data/in.csv').read_text())\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Project:
    """A repository with a bare remote; `data` and `results` are not in git."""

    root: Path
    remote: Path
    store: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self,
        name: str,
        data: Mapping[str, object],
        prevs: Mapping[str, Path] | None = None,
        outputs: Mapping[str, str] | None = None,
    ) -> Path:
        """Record a run as `runlock` does, with outputs that are written here."""
        directory = self.root / "results" / name
        directory.mkdir(parents=True)
        for file, text in (outputs or {}).items():
            (directory / file).write_text(text)
        states, _ = track(data, root=self.root)
        lock = RunLock(
            id=new_run_id(),
            timestamp=f"2026-01-01T00:00:{len(list((self.root / 'results').iterdir())):02}+00:00",
            status="complete",
            caller=Caller("process", "main", "process.py", "main", cwd=str(self.root)),
            config={"param": 1, "save_dir": f"results/{name}"},
            repos={"main": capture(self.root, results=[self.root / "results"])},
            data=states,
            prevs={n: self._prev(p) for n, p in (prevs or {}).items()},
        )
        write_lock(directory, lock)
        return directory

    def _prev(self, directory: Path) -> PrevState:
        text = read_text(directory / "run.lock")
        identity = text.split(b"id: ", 1)[1].split()[0].decode()
        place = str(directory.relative_to(self.root))
        return PrevState(place, identity, f"blake3:{hash_bytes(text)}", "complete")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLEXLOCK_STORE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root, remote = tmp_path / "project", tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(remote))
    git(tmp_path, "init", "--quiet", "-b", "main", str(root))
    made = Project(root, remote, tmp_path / "store")
    made.write(".gitignore", "data/\nresults/\n")
    made.write("process.py", SCRIPT)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "First")
    git(root, "remote", "add", "origin", str(remote))
    git(root, "push", "--quiet", "origin", "main")
    made.write("data/in.csv", "1,2\n")
    return made


@pytest.fixture(params=["folder", "rclone"])
def store(request: pytest.FixtureRequest, project: Project) -> str:
    if request.param == "rclone" and shutil.which("rclone") is None:
        pytest.skip("rclone is not installed")
    return str(project.store) if request.param == "folder" else f"rclone:{project.store}"


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """What lies in a folder, by relative path, links as their texts."""

    def look(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): (
                str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            )
            for path in sorted(folder.rglob("*"))
            if path.is_symlink() or path.is_file()
        }

    return look
