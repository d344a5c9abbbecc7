"""Pushing runs: their code to a branch and a tag, their data to a store under the same tag.

The order makes an interrupted push harmless: first the objects, then the manifest, last the tag. As
long as there is no tag there is nothing to pull; doing it again sends what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flexlock.code.git import Git
from flexlock.data.progress import size_text
from flexlock.errors import CodeError, ShareError
from flexlock.sharing.branch import (
    Branch,
    States,
    accept_shown,
    compile_branch,
    newly_shown,
    push_branch,
    pushed_tag,
    remote_url,
    tag_object,
)
from flexlock.sharing.contents import Contents
from flexlock.sharing.gathering import GatheredRun, gather, repositories
from flexlock.sharing.manifest import Manifest, SharedCode, SharedRun, manifest_key
from flexlock.sharing.places import Places
from flexlock.sharing.sending import (
    ReadData,
    missing_in,
    object_count,
    read_data,
    send,
    total_size,
)
from flexlock.sharing.stores import Store, open_store

__all__ = ["PushReport", "push"]

Part = Literal["code", "data"]
_STORE_VARIABLE = "FLEXLOCK_STORE"


@dataclass(frozen=True, slots=True)
class PushReport:
    """What was pushed, or would be.

    Attributes:
        tag: The name under which everything can be pulled.
        store: The address of the store; None without data.
        runs: Ids of the runs, earlier ones first.
        repositories: Addresses that the branch and the tag were pushed to.
        objects: How many objects the runs' data are.
        sent: How many of them were not in the store yet.
        sent_bytes: Their size in bytes.
        references: Data that is not copied, such as URLs and datasets, by name.
        shown: Files that only dirty trees have.
        was_there: Whether the very same had been pushed before.
        dry_run: Whether nothing was sent.
    """

    tag: str
    store: str | None
    runs: tuple[str, ...]
    repositories: tuple[str, ...]
    objects: int
    sent: int
    sent_bytes: int
    references: tuple[str, ...]
    shown: tuple[str, ...]
    was_there: bool
    dry_run: bool

    def __str__(self) -> str:
        """Return the report as lines for people."""
        verb = "would push" if self.dry_run else "had pushed" if self.was_there else "pushed"
        lines = [f"{verb} {len(self.runs)} run(s) as {self.tag!r}"]
        lines += [f"  code  {url}" for url in self.repositories]
        if self.store is not None:
            size = size_text(self.sent_bytes)
            lines.append(f"  data  {self.store}: {self.objects} objects, {self.sent} new ({size})")
        lines += [f"  not copied, only named: {name}" for name in self.references]
        return "\n".join(lines)


def push(
    runs: Sequence[str | os.PathLike[str]],
    *,
    tag: str | None = None,
    git_remote: str = "origin",
    store: str | os.PathLike[str] | None = None,
    with_outputs: bool = False,
    only: Part | None = None,
    yes: bool = False,
    dry_run: bool = False,
) -> PushReport:
    """Push runs with all their earlier runs, so that they can be pulled elsewhere.

    Args:
        runs: Run directories, or the sheets in them.
        tag: The name; ``runs/<id of the newest run>`` when None. A tag that says something else is
            never replaced.
        git_remote: The remote of each repository.
        store: Where data goes (see `open_store`); when None, ``FLEXLOCK_STORE``, else the setting
            ``flexlock.store`` of the main repository.
        with_outputs: Whether what the runs produced goes along.
        only: Push only the code, or only the data.
        yes: Publish files that were in the work tree but not in the last commit.
        dry_run: Check everything, send nothing.

    Raises:
        LockError: A sheet is missing or damaged.
        ShareError: Data is not any longer what the sheets say, nobody agreed to publish some
            files, the tag is taken, or git or the store failed.
    """
    gathered = gather(runs)
    if not gathered:
        raise ShareError("There are no runs to push.", hint="Name run directories.")
    tag = tag or f"runs/{[run for run in gathered if run.asked_for][-1].lock.id}"
    states = repositories(gathered)
    _check_tag(tag, states)
    code = _prepare_code(states if only != "data" else {}, git_remote, tag)
    if code.shown and not (yes or dry_run):
        raise _unagreed(code.shown)
    places = Places({_name_of(s): Path(root) for root, s in states.items()}, gathered[-1].folder)
    data = read_data(gathered, places, with_outputs=with_outputs) if only != "code" else ReadData()
    opened = _store(store, states) if data.contents else None
    manifest = Manifest(
        tag=tag,
        store=opened.url if opened is not None else None,
        runs=tuple(_shared(run, places) for run in gathered),
        code=tuple(_shared_code(code, places)),
        data=data.shared,
    )
    missing = missing_in(opened, data.contents) if opened is not None else []
    tags = {r: _tag_of(b, tag, manifest, gathered[-1]) for r, b in code.branches.items()}
    there = _already_there(tags, git_remote, tag, opened, manifest)
    if not dry_run:
        _carry_out(code, tags, opened, missing, manifest)
    return PushReport(
        tag=tag,
        store=manifest.store,
        runs=tuple(run.id for run in manifest.runs),
        repositories=tuple(code.urls.values()),
        objects=object_count(data.contents),
        sent=object_count(missing),
        sent_bytes=total_size(missing),
        references=data.references,
        shown=tuple(code.shown),
        was_there=there,
        dry_run=dry_run,
    )


@dataclass(frozen=True, slots=True)
class _Code:
    """The repositories by root, the main one first, and what will be pushed of each."""

    remote: str
    branch: str
    states: Mapping[str, States]
    urls: Mapping[str, str]
    branches: Mapping[str, Branch]
    shown: Sequence[str]


def _prepare_code(states: Mapping[str, States], remote: str, tag: str) -> _Code:
    urls = {root: remote_url(Path(root), remote) for root in states}
    shown = [path for root, uses in states.items() for path in newly_shown(Path(root), uses)]
    branches = {root: compile_branch(Path(root), uses) for root, uses in states.items()}
    return _Code(remote, f"flexlock/{tag}", states, urls, branches, shown)


def _carry_out(
    code: _Code,
    tags: Mapping[str, str],
    store: Store | None,
    missing: Sequence[Contents],
    manifest: Manifest,
) -> None:
    if store is not None:
        send(store, missing)
        store.write(manifest_key(manifest.tag), manifest.to_json())
    # The main repository is the first and is pushed last: its tag is what is pulled.
    for root in reversed(list(code.branches)):
        branch, uses = code.branches[root], code.states[root]
        modules = [module for _, state in uses for module in state.submodules.values()]
        push_branch(branch, code.remote, code.branch, manifest.tag, tags[root], modules)
        accept_shown(Path(root), uses)


# --- checks -------------------------------------------------------------------------------


def _check_tag(tag: str, states: Mapping[str, States]) -> None:
    folder = Path(next(iter(states), Path.cwd()))
    try:
        Git(folder).run("check-ref-format", f"refs/tags/{tag}")
    except CodeError as error:
        message = f"{tag!r} cannot be the name of a tag."
        raise ShareError(message, hint="Use letters, digits, '-', '_' and '/'.") from error


def _unagreed(paths: Sequence[str]) -> ShareError:
    listed = ", ".join(map(repr, paths[:10])) + (f" and {len(paths) - 10} more" * (len(paths) > 10))
    return ShareError(
        f"The runs' code holds files that are not in the last commit: {listed}.",
        hint="Pushing publishes them. Look at them, then repeat the command with --yes.",
        paths=paths,
    )


def _already_there(
    tags: Mapping[str, str],
    remote: str,
    tag: str,
    store: Store | None,
    manifest: Manifest,
) -> bool:
    """Return whether the very same was pushed before; another use of the tag is an error."""
    same = bool(tags) or store is not None
    for root, made in tags.items():
        found = pushed_tag(Path(root), remote, tag)
        same = same and found == made
        if found not in (None, made):
            raise _taken(tag, root)
    if store is not None:
        found_text = store.read(manifest_key(tag))
        same = same and found_text == manifest.to_json()
        if found_text not in (None, manifest.to_json()):
            raise _taken(tag, store.url)
    return same


def _taken(tag: str, where: str) -> ShareError:
    message = f"The tag {tag!r} was pushed before, and says something else there ({where})."
    return ShareError(message, hint="Choose another name with --tag.", tag=tag)


# --- code ---------------------------------------------------------------------------------


def _name_of(uses: States) -> str:
    """Return the name that the newest sheet has for a repository."""
    run, state = uses[-1]
    return next(name for name, found in run.lock.repos.items() if found is state)


def _shared_code(code: _Code, places: Places) -> Iterable[SharedCode]:
    for root, branch in code.branches.items():
        name = _name_of(code.states[root])
        place = places.of_repository(name)
        yield SharedCode(name, place, code.urls[root], code.branch, branch.versions)


def _tag_of(branch: Branch, tag: str, manifest: Manifest, newest: GatheredRun) -> str:
    text = f"Runs pushed by flexlock\n\n{manifest.to_json().decode()}"
    return tag_object(branch, tag, text.encode(), newest)


def _shared(run: GatheredRun, places: Places) -> SharedRun:
    return SharedRun(run.lock.id, places.of(run.directory), run.text.decode(), run.asked_for)


def _store(address: str | os.PathLike[str] | None, states: Mapping[str, States]) -> Store:
    found = address or os.environ.get(_STORE_VARIABLE)
    if not found and states:
        setting = Git(Path(next(iter(states)))).start("config", "--get", "flexlock.store")
        with setting as process:
            found = process.finish()[1].decode().strip()
    if not found:
        raise ShareError(
            "The runs have data, and no store is named for it.",
            hint=(
                "Give --store, set FLEXLOCK_STORE or 'git config flexlock.store', "
                "or push --only code."
            ),
        )
    return open_store(found)
