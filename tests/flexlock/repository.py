"""A small git repository of a test's own, driven by the real git program."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "tester",
    "GIT_AUTHOR_EMAIL": "tester@localhost",
    "GIT_COMMITTER_NAME": "tester",
    "GIT_COMMITTER_EMAIL": "tester@localhost",
}


@dataclass(frozen=True)
class Repository:
    """`root` is the work tree."""

    root: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git in the work tree and return what it printed."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.root,
            env={**os.environ, **IDENTITY, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        """Write files; `__` in a name stands for a slash, a last `_py` for the suffix."""
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self) -> str:
        """Commit everything and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "more")
        return self.git("rev-parse", "HEAD")

    def tree_of(self, thing: str) -> dict[str, str]:
        """Return the paths in a tree or commit, each with its content (a link with its commit)."""
        listing = self.git("ls-tree", "-r", "-z", thing)
        found = {}
        for line in filter(None, listing.split("\0")):
            meta, path = line.split("\t", 1)
            kind, identity = meta.split(" ")[1:]
            found[path] = identity if kind == "commit" else self.git("cat-file", "blob", identity)
        return found


def new_repository(root: Path) -> Repository:
    """Make an empty repository."""
    root.mkdir(parents=True, exist_ok=True)
    repository = Repository(root)
    repository.git("init", "--quiet", "--initial-branch", "main")
    return repository
