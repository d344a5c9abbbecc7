"""Getting pushed code: into an empty folder as a work tree, into a clone as objects and a tag."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from flexlock.code.git import Git
from flexlock.errors import CodeError, ShareError
from flexlock.sharing.manifest import HERE, SharedCode
from flexlock.sharing.places import PRIVATE

__all__ = ["get_code", "origin_of", "read_tag"]

_TIMEOUT_S = 3600.0


def origin_of(folder: Path) -> str | None:
    """Return the address that a clone came from, or None when the folder is no clone."""
    if not (folder / ".git").exists():
        return None
    try:
        return Git(folder).run("remote", "get-url", "origin").decode().strip()
    except CodeError:
        return None


def read_tag(address: str, tag: str) -> bytes | None:
    """Return the message of a tag in a repository elsewhere, without its first paragraph.

    Nothing but the tag is fetched where the other side can leave out files and folders.

    Raises:
        ShareError: The repository cannot be reached.
    """
    reference = f"refs/tags/{tag}"
    with tempfile.TemporaryDirectory(prefix="flexlock-tag-") as folder:
        git = Git(Path(folder), timeout_s=_TIMEOUT_S)
        try:
            if not git.run("ls-remote", "--", address, reference).strip():
                return None
            git.run("init", "--quiet", "--bare")
            git.run(
                "fetch", "--quiet", "--depth=1", "--filter=tree:0", "--no-tags",
                "--", address, f"+{reference}:{reference}",
            )  # fmt: skip
            text = git.run("cat-file", "tag", reference)
        except CodeError as error:
            raise _unreachable(address, error) from error
    header, _, message = text.partition(b"\n\n")
    return message.partition(b"\n\n")[2] if header.startswith(b"object ") else None


def get_code(code: SharedCode, tag: str, url: str, folder: Path, *, fresh: bool) -> None:
    """Fetch the tag of a repository to its place.

    Args:
        code: The repository.
        tag: The tag.
        url: Where to fetch it from.
        folder: The folder that is pulled into.
        fresh: Whether that was empty when the pull, or one before that was interrupted, began.
            Then the newest version is checked out; otherwise only objects and the tag are added,
            and the user's branch and files stay.

    Raises:
        ShareError: The repository cannot be reached, or does not have what the tag promised.
    """
    place = folder if code.place == HERE else folder / code.place
    if code.place != HERE and not place.exists():
        fresh = True
    if fresh and (place / ".git").exists():
        _forget_begun(place)
    place.mkdir(parents=True, exist_ok=True)
    git = Git(place, timeout_s=_TIMEOUT_S)
    reference = f"refs/tags/{tag}"
    try:
        if fresh:
            git.run("init", "--quiet")
            git.run("remote", "add", "origin", url)
        elif not (place / ".git").exists():
            message = f"{str(place)!r} is not empty, and no clone of {url!r}."
            raise ShareError(message, hint="Pull into an empty folder, or into a clone.")
        git.run("fetch", "--quiet", "--no-tags", "--", url, f"{reference}:{reference}")
        newest = code.versions[-1]
        found = git.run("rev-parse", f"{newest.commit}^{{tree}}").decode().strip()
        if found != newest.tree:
            raise ShareError(f"The tag {tag!r} in {url!r} is not the code that was pushed.")
        if fresh:
            git.run("checkout", "--quiet", "--force", "--detach", newest.commit)
            git.run("submodule", "--quiet", "update", "--init", "--recursive")
        _ignore_private(git)
    except CodeError as error:
        raise _unreachable(url, error) from error


def _forget_begun(place: Path) -> None:
    """Remove what an interrupted pull left of a repository; it never made a branch in it."""
    with Git(place).start("for-each-ref", "refs/heads") as process:
        branches = process.finish()[1]
    if branches.strip():
        message = f"{str(place)!r} has branches that no pull has made."
        raise ShareError(message, hint="Pull into an empty folder.", path=str(place))
    shutil.rmtree(place / ".git")


def _ignore_private(git: Git) -> None:
    """Let git overlook what is kept beside the code, in this clone only."""
    shared = git.run("rev-parse", "--git-common-dir").decode().strip()
    file = Path(git.folder, shared, "info", "exclude")
    line = f"/{PRIVATE}/\n"
    text = file.read_text() if file.exists() else ""
    if line not in text:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + line)


def _unreachable(address: str, error: CodeError) -> ShareError:
    message = f"The repository {address!r} could not be read: {error.message}"
    return ShareError(message, hint=error.hint or "Check the address, and that you may read it.")
