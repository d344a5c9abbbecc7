"""``bump-version``: give the committed state of a project the next version, as a tag of git."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Version", "main"]

_PROGRAM = "bump-version"
_FIRST = "0.1.0"
_SHOWN = 10
_REFUSED = 2
_PARTS = ("major", "minor", "patch")
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_TABLE = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+", re.MULTILINE)
_LOCKED = re.compile(
    r"""^(\[\[package\]\]\r?\nname = "[^"\n]+"\r?\nversion = ")[^"\n]*"""
    r"""(?="\r?\nsource = \{ (?:editable|virtual) = "\." \}\r?$)""",
    re.MULTILINE,
)
_LINE = re.compile(r"""^(\s*version\s*=\s*)(["'])([^"'\n]*)\2""", re.MULTILINE)

_DESCRIPTION = """\
Give the state that is committed the next version: the greatest version tag of the repository,
with one part raised. Executions that run this code record that version. The first time, the tag
of the first version is made.

Everything must be committed, so that the tag says what ran. If pyproject.toml has a version of
its own, it is set, too, in uv.lock as well, and committed.
"""

_EPILOG = """\
examples:
  bump-version                  0.4.2 -> 0.4.3: a correction
  bump-version minor            0.4.2 -> 0.5.0: something new
  bump-version major            0.4.2 -> 1.0.0: something that was there is different now
  bump-version --no-push        make the tag here only

environment:
  START    the first version (default: that of pyproject.toml, else 0.1.0)
  PREFIX   what tags begin with (default: v)

exit status: 0 when the tag is made (and pushed); 1 when it cannot be made; 2 when something is not
committed, or the command line or START was not understood; the status of git when it could not
push.
"""


class _Failure(Exception):
    """The command cannot go on; the text tells the user why."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class _GitFailure(_Failure):
    """git failed with a status of its own."""

    def __init__(self, message: str, git_status: int) -> None:
        super().__init__(message)
        self.git_status = git_status


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A version of three numbers."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The version that a text is; None if it is none."""
        found = _NUMBERS.fullmatch(text)
        return cls(*map(int, found.groups())) if found else None

    def raised(self, part: str) -> Version:
        """The next one: a part raised by one, those after it zero."""
        if part == "major":
            return Version(self.major + 1, 0, 0)
        if part == "minor":
            return Version(self.major, self.minor + 1, 0)
        return replace(self, patch=self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = _parser().parse_args(argv)
    try:
        print(_bump(given.part, push=given.push, dry_run=given.dry_run))
    except _Failure as failure:
        print(f"{_PROGRAM}: {failure}", file=sys.stderr)
        return failure.status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "part", nargs="?", choices=_PARTS, default="patch", help="what to raise (default: patch)"
    )
    parser.add_argument(
        "--push",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="push branch and tag (default: if there is a remote)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the tag, and make and fetch nothing"
    )
    return parser


def _bump(part: str, *, push: bool | None, dry_run: bool) -> str:
    """Make the next tag and return what happened."""
    root = _repository()
    remote = _remote(root, push)
    branch = _git(root, "branch", "--show-current").strip()
    if remote is not None and not branch:
        raise _Failure(
            "no branch is checked out, so there is nothing to push. Check out a branch, or give "
            "--no-push."
        )
    lock_only = _refuse_changes(root)
    if remote is not None and not dry_run:
        _git(root, "fetch", "--quiet", "--tags", remote)
    prefix = os.environ.get("PREFIX", "v")
    project = root / "pyproject.toml"
    own = _own_version(project)
    last = _last(root, prefix)
    new = _first(own) if last is None else last.raised(part)
    _refuse_lowering(own, new)
    tag = f"{prefix}{new}"
    if dry_run:
        return f"{tag} (nothing was made)"
    if lock_only:
        _git(root, "add", "--", "uv.lock")
        _git(root, "commit", "--quiet", "--message", "Update uv.lock", "--", "uv.lock")
    if own is not None and own != str(new):
        _commit_version(root, project, new)
    _git(root, "tag", "--annotate", tag, "--message", f"Version {new}")
    if remote is not None:
        _push(root, remote, branch, tag)
    return tag


# --- the repository ----------------------------------------------------------------------


def _repository() -> Path:
    if shutil.which("git") is None:
        raise _Failure("git is not installed; versions are tags of git.")
    try:
        root = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel").strip("\n"))
    except _Failure as failure:
        raise _Failure(
            f"{str(Path.cwd())!r} is in no git repository. Make one with 'git init', and commit."
        ) from failure
    try:
        _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except _Failure as failure:
        raise _Failure("the repository has no commit yet; there is nothing to tag.") from failure
    return root


def _remote(root: Path, push: bool | None) -> str | None:
    """The remote to push to; None when nothing shall be pushed."""
    names = _git(root, "remote").split()
    if push and not names:
        raise _Failure("the repository has no remote to push to. Add one, or leave --push out.")
    if push is False or not names:
        return None
    return "origin" if "origin" in names else names[0]


def _refuse_changes(root: Path) -> bool:
    """Refuse a tree that is not committed; returns whether only ``uv.lock`` differs."""
    readable = ("-c", "core.quotePath=false")
    listing = _git(root, *readable, "status", "--porcelain", "--untracked-files=all")
    changed = [line[3:] for line in listing.splitlines()]
    if changed == ["uv.lock"]:
        return True
    if changed:
        more = f"\n  and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise _Failure(
            "these files are not committed, so that a tag would not say what is in them:\n  "
            + "\n  ".join(changed[:_SHOWN])
            + f"{more}\nCommit them, or have git ignore them.",
            _REFUSED,
        )
    return False


def _last(root: Path, prefix: str) -> Version | None:
    names = _git(root, "tag", "--list").splitlines()
    found = (Version.parse(n.removeprefix(prefix)) for n in names if n.startswith(prefix))
    return max((version for version in found if version is not None), default=None)


def _push(root: Path, remote: str, branch: str, tag: str) -> None:
    try:
        _git(root, "push", "--quiet", "--atomic", remote, f"HEAD:refs/heads/{branch}", tag)
    except _GitFailure as failure:
        raise _Failure(
            f"{tag} was made here but not pushed: {failure}\n"
            f"When that is mended: git push --atomic {remote} {branch} {tag}",
            failure.git_status,
        ) from failure


def _git(root: Path, *arguments: str) -> str:
    """What git prints.

    Raises:
        _GitFailure: It fails; with what it says.
    """
    # Filters of the repository have to read paths with any letters.
    plain = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **plain},
    )
    if done.returncode:
        said = done.stderr.strip() or f"git {arguments[0]} failed"
        raise _GitFailure(said, done.returncode)
    return done.stdout


# --- the version in pyproject.toml -------------------------------------------------------


def _own_version(project: Path) -> str | None:
    """The version that a project states itself; None if git's tags are all that tells it."""
    if not project.is_file():
        return None
    try:
        document = tomllib.loads(project.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _Failure(f"pyproject.toml cannot be read: {error}.") from error
    if "bumpversion" in document.get("tool", {}):
        raise _Failure(
            "pyproject.toml has a section [tool.bumpversion]: this project's versions are kept by "
            "bump-my-version. Run 'bump-my-version bump patch' (or minor, or major)."
        )
    version = document.get("project", {}).get("version")
    return version if isinstance(version, str) else None


def _refuse_lowering(own: str | None, new: Version) -> None:
    """Refuse a version below the one that the project states itself."""
    stated = Version.parse(own) if own else None
    if stated is not None and stated > new:
        raise _Failure(
            f"pyproject.toml states version {stated}, and the next tag would be {new}, which is "
            f"lower. Tag that version first, or correct pyproject.toml."
        )


def _first(own: str | None) -> Version:
    text = os.environ.get("START") or (own if own and Version.parse(own) else _FIRST)
    version = Version.parse(text)
    if version is None:
        raise _Failure(
            f"START={text!r} is no version; write three numbers, such as {_FIRST}.", _REFUSED
        )
    return version


def _commit_version(root: Path, project: Path, new: Version) -> None:
    """Commit the version in ``pyproject.toml`` and ``uv.lock``; if that fails, they stay as before.

    Raises:
        _Failure: It cannot be written, git has no author, or a hook refuses; with what it says.
    """
    files = [file for file in (project, root / "uv.lock") if file.is_file()]
    before = [file.read_bytes() for file in files]
    try:
        changed = _set_version(root, project, new)
        _git(root, "commit", "--quiet", "--message", f"Version {new}", "--", *changed)
    except _Failure as failure:
        for file, content in zip(files, before, strict=True):
            file.write_bytes(content)
        raise _Failure(
            f"version {new} could not be committed, so nothing was tagged and the files are as "
            f"they were: {failure}"
        ) from failure


def _set_version(root: Path, project: Path, new: Version) -> list[str]:
    """Write the version into ``pyproject.toml`` and ``uv.lock``; returns which files changed.

    uv would do the latter at its next start, and so make changes in what was just tagged.
    """
    project.write_bytes(_with_version(project, new).encode())
    if not _git(root, "ls-files", "--", "uv.lock"):
        return ["pyproject.toml"]
    lock = root / "uv.lock"
    text = lock.read_bytes().decode()
    lock.write_bytes(_LOCKED.sub(rf"\g<1>{new}", text).encode())
    return ["pyproject.toml", "uv.lock"]


def _with_version(project: Path, new: Version) -> str:
    """The text of ``pyproject.toml`` with another version in its table ``[project]``.

    All else stays as it is, the ends of lines too.
    """
    text = project.read_bytes().decode()
    tables = [*_TABLE.finditer(text)]
    for table, following in zip(tables, [*tables[1:], None], strict=True):
        end = len(text) if following is None else following.start()
        line = _LINE.search(text, table.end(), end) if table[1] == "project" else None
        if line is not None:
            return f"{text[: line.start()]}{line[1]}{line[2]}{new}{line[2]}{text[line.end() :]}"
    raise _Failure("the version in pyproject.toml is written in an unusual way; set it by hand.")
