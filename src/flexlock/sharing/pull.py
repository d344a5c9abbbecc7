"""Pulling runs: their code, their sheets and their data, by the name of a tag.

Everything is checked before the first file is written: that nothing differing lies in the way, that
no place leads out of the folder, that each object is what its name says.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flexlock.data.progress import size_text
from flexlock.errors import ShareError
from flexlock.files import write_atomically
from flexlock.sharing.checkout import get_code, origin_of, read_tag
from flexlock.sharing.fetching import Landing, Wanted, look_inside, remove, same_content
from flexlock.sharing.linking import Link
from flexlock.sharing.manifest import HERE, Manifest, SharedCode, manifest_key
from flexlock.sharing.places import PRIVATE
from flexlock.sharing.stores import Store, open_store

__all__ = ["PullReport", "pull"]

Part = Literal["code", "data"]


@dataclass(frozen=True, slots=True)
class PullReport:
    """What was pulled, or would be.

    Attributes:
        tag: The name.
        into: The folder.
        runs: Places of the runs' directories in it.
        code: Places of the repositories that were checked out or fetched into.
        data: Places of the data that was restored.
        present: Places of data that was there already, unchanged.
        moved: Absolute paths of the runs that lie elsewhere now, with their new places.
        fetched_bytes: How much came from the store; 0 for a store on this machine.
        dry_run: Whether nothing was written.
    """

    tag: str
    into: Path
    runs: tuple[str, ...]
    code: tuple[str, ...]
    data: tuple[str, ...]
    present: tuple[str, ...]
    moved: dict[str, str] = field(default_factory=dict)
    fetched_bytes: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        """Return the report as lines for people."""
        verb = "would pull" if self.dry_run else "pulled"
        lines = [f"{verb} {self.tag!r} into {str(self.into)!r}"]
        lines += [f"  code  {place}" for place in self.code]
        lines += [f"  run   {place}" for place in self.runs]
        lines += [f"  data  {place}" for place in self.data]
        lines += [f"  data  {place} (was there)" for place in self.present]
        lines += [f"  {old} is now {new}" for old, new in self.moved.items()]
        if self.fetched_bytes:
            lines.append(f"  {size_text(self.fetched_bytes)} fetched")
        return "\n".join(lines)


def pull(
    tag: str,
    *,
    repo: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    into: str | os.PathLike[str] = ".",
    link: Link = "auto",
    only: Part | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> PullReport:
    """Pull the runs of a tag into a folder.

    In an empty folder the main repository is checked out at the code of the newest run. In a clone
    of it the code is fetched, and the user's branch and files stay as they are.

    Args:
        tag: The name under which they were pushed.
        repo: The address of the main repository; by default the remote ``origin`` of the
            repository that `into` is.
        store: Where the data is; by default where it was pushed to.
        into: The folder; made when it is missing. Nothing is written outside of it.
        link: How files of a store on this machine get to their places, see `put`. A directory is
            never a symbolic link, nor a folder of such.
        only: Pull only the code (with the sheets), or only the data.
        force: Replace data and sheets that differ.
        dry_run: Check what can be checked without fetching, write nothing.

    Raises:
        ShareError: There is no such tag, something differing is in the way, or an object is
            missing or damaged.
    """
    folder = Path(into).absolute()
    address = _address(repo, folder)
    manifest = _manifest(tag, address, open_store(store) if store is not None else None)
    opened = _open(store, manifest)
    wanted: list[Wanted] = []
    if only != "code" and manifest.data:
        wanted = look_inside(_needed(opened, manifest), manifest.data)
    plan = _plan(manifest, folder, wanted, with_code=only != "data")
    if plan.obstacles and not force:
        raise _in_the_way(plan.obstacles)
    fetched = 0
    if not dry_run:
        fetched = _carry_out(plan, opened, address, link)
    return PullReport(
        tag=tag,
        into=folder,
        runs=tuple(run.place for run in manifest.runs),
        code=tuple(item.place for item in plan.code),
        data=tuple(item.data.place for item in plan.restore),
        present=plan.present,
        moved=_moved(manifest),
        fetched_bytes=fetched,
        dry_run=dry_run,
    )


# --- the manifest -------------------------------------------------------------------------


def _address(repo: str | os.PathLike[str] | None, folder: Path) -> str | None:
    if repo is not None:
        text = os.fspath(repo)
        return str(Path(text).absolute()) if Path(text).is_dir() else text
    return origin_of(folder)


def _manifest(tag: str, address: str | None, store: Store | None) -> Manifest:
    """Return what the tag says, or the store when there is no repository to ask."""
    if address is not None:
        text = read_tag(address, tag)
        if text is not None:
            return Manifest.from_json(text, f"The tag {tag!r} of {address!r}")
    if store is not None:
        text = store.read(manifest_key(tag))
        if text is not None:
            return Manifest.from_json(text, f"The tag {tag!r} in {store.url!r}")
    places = " or ".join(repr(place) for place in (address, store and store.url) if place)
    if not places:
        raise ShareError(
            f"Nothing says where the tag {tag!r} is.",
            hint="Give --repo or --store, or pull in a clone of the repository.",
        )
    message = f"There is no tag {tag!r} in {places}."
    raise ShareError(message, hint="'git ls-remote --tags' lists those there are.", tag=tag)


def _open(store: str | os.PathLike[str] | None, manifest: Manifest) -> Store | None:
    """Open the store; what it says of the tag must be what the repository says."""
    address = store if store is not None else manifest.store
    if address is None:
        return None
    opened = open_store(address)
    found = opened.read(manifest_key(manifest.tag))
    if found is not None and found != manifest.to_json():
        message = f"The store {opened.url!r} has other runs under the tag {manifest.tag!r}."
        raise ShareError(message, hint="Give the store that they were pushed to with --store.")
    return opened


def _needed(store: Store | None, manifest: Manifest) -> Store:
    if store is None:
        message = f"The tag {manifest.tag!r} does not say where its data is."
        raise ShareError(message, hint="Give --store, or pull --only code.")
    return store


# --- what is to be done -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    manifest: Manifest
    folder: Path
    code: tuple[SharedCode, ...]
    restore: tuple[Wanted, ...]
    present: tuple[str, ...]
    sheets: dict[Path, bytes]
    obstacles: tuple[Path, ...]

    @property
    def scratch(self) -> Path:
        """Where objects land. An interrupted pull leaves it for the next one."""
        return self.folder / PRIVATE / "pulling"


def _plan(manifest: Manifest, folder: Path, wanted: Sequence[Wanted], *, with_code: bool) -> _Plan:
    restore: dict[str, Wanted] = {}
    present: list[str] = []
    obstacles: list[Path] = []
    for item in wanted:
        path = _inside(folder, item.data.place)
        if not (path.exists() or path.is_symlink()):
            restore[item.data.place] = item
        elif same_content(item, path):
            present.append(item.data.place)
        else:
            restore[item.data.place] = item
            obstacles.append(path)
    sheets = {}
    for run in manifest.runs:
        path = _inside(folder, run.place) / "run.lock"
        if not path.exists():
            sheets[path] = run.sheet.encode()
        elif path.read_bytes() != run.sheet.encode():
            sheets[path] = run.sheet.encode()
            obstacles.append(path)
    code = manifest.code if with_code else ()
    return _Plan(
        manifest,
        folder,
        code,
        tuple(restore.values()),
        tuple(dict.fromkeys(present)),
        sheets,
        tuple(dict.fromkeys(obstacles)),
    )


def _inside(folder: Path, place: str) -> Path:
    """Return the path of a place; links on the way must not lead out of the folder."""
    path = folder / place
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        message = f"{str(path.parent)!r} is a link that leads out of {str(folder)!r}."
        raise ShareError(message, hint="Pull into another folder.", place=place)
    return path


def _in_the_way(obstacles: Sequence[Path]) -> ShareError:
    listed = ", ".join(repr(str(path)) for path in obstacles[:10])
    more = f" and {len(obstacles) - 10} more" if len(obstacles) > 10 else ""
    return ShareError(
        f"Other content is in the way: {listed}{more}.",
        hint="Pull into another folder with --into, or replace it with --force.",
        paths=[str(path) for path in obstacles],
    )


def _moved(manifest: Manifest) -> dict[str, str]:
    """Return the absolute paths that the runs used, with where they lie now."""
    return {data.path: data.place for data in manifest.data if Path(data.path).is_absolute()}


# --- doing it -----------------------------------------------------------------------------


def _carry_out(plan: _Plan, store: Store | None, address: str | None, link: Link) -> int:
    """Do what was planned, and return how many bytes were fetched."""
    fetched = 0
    plan.folder.mkdir(parents=True, exist_ok=True)
    _get_all_code(plan, address)
    landing = Landing(plan.scratch, _needed(store, plan.manifest), link) if plan.restore else None
    if landing is not None:
        fetched = landing.fetch(plan.restore)
    for path in plan.obstacles:
        remove(path)
    for item in plan.restore:
        if landing is not None:
            landing.place(item, plan.folder / item.data.place)
    for path, text in plan.sheets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    record = plan.folder / PRIVATE / "pulled" / f"{plan.manifest.tag}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(record, plan.manifest.to_json())
    if landing is not None:
        landing.clear()
    return fetched


def _get_all_code(plan: _Plan, address: str | None) -> None:
    """Get the repositories; a mark tells the next pull when this one is interrupted."""
    mark = plan.folder / PRIVATE / "checking-out"
    fresh = mark.exists() or not any(plan.folder.iterdir())
    if not plan.code:
        return
    if fresh:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
    for code in plan.code:
        url = address if code.place == HERE and address is not None else code.url
        get_code(code, plan.manifest.tag, url, plan.folder, fresh=fresh)
    mark.unlink(missing_ok=True)
