"""What git knows of a file: its commit, its web page, and what is not committed.

The `git` program is asked; nothing here writes to a repository.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

__all__ = [
    "PLAIN_WORDS",
    "Repository",
    "blob_hash",
    "dirty_mark",
    "dirty_paths",
    "find_repository",
    "web_url",
]

_IGNORED = ("findings/", "outputs/", ".scratch/")
_HASHED_UP_TO_BYTES = 10_000_000
_DATABASES = tuple(
    f"{kind}{part}"
    for kind in (".db", ".db3", ".sqlite", ".sqlite3")
    for part in ("", "-wal", "-shm", "-journal")
)
_TIMEOUT_S = 60
_SCP = re.compile(r"^(?:[^@/\s]+@)?([^:/\s]{2,}):(?!/)(.+)$")
_DESCRIBED = re.compile(r"^v?(?P<tag>.+)-(?P<ahead>\d+)-g(?P<sha>[0-9a-f]+)$")


PLAIN_WORDS = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""The environment in which git says the same to everybody.

The programs that it starts, such as the filter of notebooks, have to read paths with any letters.
"""


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git prints, or None when it fails or is not installed."""
    program = shutil.which("git")
    if program is None:
        return None
    # A hook or an editor may have set these for another repository.
    environment = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **PLAIN_WORDS}
    try:
        done = subprocess.run(
            [program, "-C", str(directory), *arguments],
            capture_output=True,
            check=False,
            env=environment,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Repository:
    """A git working tree.

    Attributes:
        root: Its top directory.
        head: The commit that is checked out; None before the first commit.
        remote: The URL of ``origin``, else of the first remote; None when there is none.
    """

    root: Path
    head: str | None
    remote: str | None

    def commit_of(self, path: Path) -> str | None:
        """Return the last commit that touched `path`; None when git does not track it."""
        if self.head is None:
            return None
        relative = path.relative_to(self.root).as_posix()
        tracked = _git(self.root, "ls-files", "--error-unmatch", "--", relative)
        found = _git(self.root, "log", "-1", "--format=%H", "--", relative)
        return (found or "").strip() or None if tracked else None

    def hash_object(self, path: Path) -> str:
        """Return git's hash of the file as it is now, with the repository's filters applied."""
        found = _git(self.root, "hash-object", "--", str(path))
        return found.strip() if found else blob_hash(path.read_bytes())

    def blob_url(self, path: Path, commit: str) -> str | None:
        """Return the web page of `path` in `commit`; None when the remote has no web page."""
        page = web_url(self.remote) if self.remote else None
        if page is None:
            return None
        relative = quote(path.relative_to(self.root).as_posix())
        part = "src" if urlsplit(page).hostname == "bitbucket.org" else "blob"
        return f"{page}/{part}/{commit}/{relative}"

    def describe(self) -> str:
        """Return the version that the nearest tag gives, without a mark for dirty trees."""
        if self.head is None:
            return "0.0.0"
        text = _git(self.root, "describe", "--tags", "--long", "--match", "*[0-9]*")
        found = _DESCRIBED.match((text or "").strip())
        if found is None:
            count = (_git(self.root, "rev-list", "--count", "HEAD") or "0").strip()
            return f"0.0.0.post{count}+g{self.head[:7]}"
        if found["ahead"] == "0":
            return found["tag"]
        return f"{found['tag']}.post{found['ahead']}+g{found['sha']}"


def find_repository(path: Path) -> Repository | None:
    """Return the working tree that `path` lies in; None outside one, or without git."""
    directory = path if path.is_dir() else path.parent
    # "HEAD" alone would be taken for a file of that name where there is no commit.
    told = _git(directory, "rev-parse", "--show-toplevel", "HEAD^0")
    root: str | None
    if told is None:  # perhaps there is no commit yet, and so no HEAD
        root, head = _git(directory, "rev-parse", "--show-toplevel"), ""
    else:
        root, _, head = told.rstrip("\n").rpartition("\n")
    if not root or not root.strip():
        return None
    top = Path(root.strip("\n"))
    return Repository(top, head or None, _remote(top))


def _remote(root: Path) -> str | None:
    """Return the URL of ``origin``, else of the first remote."""
    urls: dict[str, str] = {}
    for line in (_git(root, "remote", "--verbose") or "").splitlines():
        name, _, url = line.rpartition(" (fetch)")[0].partition("\t")
        if url.strip():
            urls.setdefault(name, url.strip())
    return urls.get("origin") or next(iter(urls.values()), None)


def web_url(remote: str) -> str | None:
    """Return the web address of a remote, without ``.git``, user names and passwords.

    ``git@host:me/project.git`` and ``ssh://git@host:22/me/project.git`` become
    ``https://host/me/project``. A path on this machine has no web address: None.
    """
    scp = _SCP.match(remote) if "://" not in remote else None
    if scp is not None:
        return f"https://{scp[1]}/{_project(scp[2])}"
    parts = urlsplit(remote)
    if parts.scheme not in ("http", "https", "ssh", "git", "git+ssh") or not parts.hostname:
        return None
    web = parts.scheme in ("http", "https")
    port = f":{parts.port}" if web and parts.port else ""
    scheme = parts.scheme if web else "https"
    return f"{scheme}://{parts.hostname}{port}/{_project(parts.path)}"


def _project(path: str) -> str:
    """Return the path of a project without slashes at the ends and without ``.git``."""
    return path.strip("/").removesuffix(".git")


def dirty_paths(repository: Repository, environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the changed and unknown paths of the working tree, relative to its root, sorted.

    None means that git cannot tell, such as where a filter of the repository fails.

    Paths below ``findings/``, ``outputs/`` and ``.scratch/`` do not count, nor those that begin
    with one of the prefixes in ``DERIVA_ML_DIRTY_CHECK_IGNORE`` (separated by ``:``).
    """
    listing = _git(repository.root, "status", "--porcelain", "-z", "--untracked-files=all")
    if listing is None:
        return None
    more = environ.get("DERIVA_ML_DIRTY_CHECK_IGNORE", "").split(":")
    ignored = (*_IGNORED, *(prefix for prefix in more if prefix))
    return tuple(sorted(p for p in _changed(listing) if not p.startswith(ignored)))


def _changed(listing: str) -> Iterable[str]:
    """Yield the paths in the output of ``git status --porcelain -z``."""
    entries = iter(listing.split("\0"))
    for entry in entries:
        if not entry:
            continue
        yield entry[3:]
        if "R" in entry[:2] or "C" in entry[:2]:
            next(entries, None)  # the name before the rename stands in an entry of its own


def dirty_mark(repository: Repository, paths: Iterable[str]) -> str:
    """Return twelve digits that stand for the commit and the content of the changed `paths`.

    Equal marks mean equal trees. A file above 10 MB counts by its size and time of change, so
    that data lying about does not delay a run; so does a database, which may be in use.
    """
    digest = hashlib.sha256((repository.head or "").encode())
    for relative in paths:
        path = repository.root / relative
        digest.update(b"\0" + relative.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(_state_of(path).encode())
    return digest.hexdigest()[:12]


def _state_of(path: Path) -> str:
    """Return the hash of a file, or what else can be said of it."""
    try:
        if path.is_symlink():
            return f"link {path.readlink()}"
        if not path.is_file():
            return "directory" if path.is_dir() else "deleted"
        facts = path.stat()
        # To close a file that SQLite has open in this process would take SQLite's locks away.
        if facts.st_size > _HASHED_UP_TO_BYTES or path.name.endswith(_DATABASES):
            return f"{facts.st_size} bytes, changed {facts.st_mtime_ns}"
        return blob_hash(path.read_bytes())
    except OSError:
        return "unreadable"


def blob_hash(content: bytes) -> str:
    """Return the hash that git gives to a file with this content."""
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
