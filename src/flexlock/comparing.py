"""What two runs have in common and where they differ, key by key and file by file.

Code is compared by what it is (trees, and the files in them), not by commit; data by its hashes;
configurations without the keys that only say where and when a run was. An earlier run counts by
what was used of it: where data of the run lies in its directory, that data says all; else by the
outputs and the result that it recorded, and without any by its id.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flexlock.code.comparing import counting
from flexlock.errors import CodeError
from flexlock.lock.record import PrevState, RepoState, RunLock

__all__ = [
    "Comparison",
    "Difference",
    "RunDiff",
    "code_diff",
    "compare",
    "function_of",
    "own_config",
    "used_of",
]

Section = Literal["code", "config", "data", "env", "prevs", "result"]

_WHERE_AND_WHEN = frozenset(
    ("save_dir", "timestamp", "system", "job_id", "work_dir", "cwd", "date", "time", "datetime")
)
_TRACKING = frozenset(("runlock", "_snapshot_"))
_NOT_COUNTED = _WHERE_AND_WHEN | _TRACKING
"""Top-level keys of a configuration that do not make a run another one: where and when it was, and
what is tracked, which is compared by its content."""
_HERE = "<save_dir>"
_NONE = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        section: Which part of the sheets.
        key: Which thing of it, such as ``model.layers`` or ``main/process.py``.
        kind: ``missing`` (only the other has it), ``extra`` (only the first), or ``changed``.
        first: What the first run has; None when it has nothing.
        other: What the other has.
    """

    section: Section
    key: str
    kind: Literal["missing", "extra", "changed"]
    first: Any = None
    other: Any = None

    def __str__(self) -> str:
        """Return the difference as a line for people."""
        if self.kind == "missing":
            return f"{self.key}: only the other has it ({_short(self.other)})"
        if self.kind == "extra":
            return f"{self.key}: only the first has it ({_short(self.first)})"
        if self.first is None and self.other is None:
            return f"{self.key}: differs"
        return f"{self.key}: {_short(self.first)} != {_short(self.other)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences of two runs, in the order of the sections."""

    first: str
    other: str
    differences: tuple[Difference, ...]

    @property
    def is_match(self) -> bool:
        """Whether code, configuration, data and earlier runs are the same."""
        return not any(d.section not in ("result", "env") for d in self.differences)

    def of(self, section: Section) -> tuple[Difference, ...]:
        """Return the differences of one section."""
        return tuple(d for d in self.differences if d.section == section)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "schema_version": 1,
            "first": self.first,
            "other": self.other,
            "match": self.is_match,
            "differences": [asdict(difference) for difference in self.differences],
        }

    def __str__(self) -> str:
        """Return a section each, or one line when nothing differs."""
        if not self.differences:
            return "the same code, configuration, data, environment and result"
        lines = []
        for section in ("code", "config", "data", "prevs", "env", "result"):
            found = self.of(section)
            if found:
                lines += [f"{section}:", *(f"  {difference}" for difference in found)]
        return "\n".join(lines)


def compare(
    first: RunLock,
    other: RunLock,
    *,
    ignore: Iterable[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Comparison:
    """Compare two runs.

    Args:
        first: A run.
        other: Another.
        ignore: Dotted keys of the configuration that do not count, with all below them; beside
            those at the top that only say where and when (``save_dir``, ``timestamp`` ...).
        include: Pathspecs of the code that counts; all by default.
        exclude: Pathspecs of the code that does not.
    """
    scope = [*(include or ["."]), *(f":(exclude){pattern}" for pattern in exclude)]
    return Comparison(
        first.id,
        other.id,
        (
            *_function(first, other),
            *_code(first.repos, other.repos, scope),
            *_values(own_config(first), own_config(other), frozenset(ignore), ""),
            *_by_key("data", _hashes(first), _hashes(other)),
            *_earlier(first, other),
            *_environment(first, other),
            *_result(first, other),
        ),
    )


# --- code ---------------------------------------------------------------------------------


def function_of(lock: RunLock) -> str | None:
    """Return which function ran, as ``file:function``; None when the sheet does not say."""
    caller = lock.caller
    place = caller.file or caller.module
    return f"{place}:{caller.function}" if place and caller.function else None


def _function(first: RunLock, other: RunLock) -> Iterable[Difference]:
    mine, theirs = function_of(first), function_of(other)
    if mine is not None and theirs is not None and mine != theirs:
        yield Difference("code", "function", "changed", mine, theirs)


def _code(
    first: Mapping[str, RepoState], other: Mapping[str, RepoState], scope: Sequence[str]
) -> Iterable[Difference]:
    for name in _keys(first, other):
        mine, theirs = first.get(name), other.get(name)
        if mine is None or theirs is None:
            kind: Literal["missing", "extra"] = "missing" if mine is None else "extra"
            yield Difference("code", name, kind, _version(mine), _version(theirs))
        elif mine.tree is None or theirs.tree is None:
            if (mine.tree, mine.commit) != (theirs.tree, theirs.commit):
                yield Difference("code", name, "changed", _version(mine), _version(theirs))
        else:
            yield from _trees(name, mine, theirs, scope)


def _trees(
    name: str, mine: RepoState, theirs: RepoState, scope: Sequence[str]
) -> Iterable[Difference]:
    """Compare what counts of two trees, and the repositories within that are in neither."""
    if mine.scope != theirs.scope:
        yield Difference(
            "code", f"{name} (which files count)", "changed", asdict(mine.scope),
            asdict(theirs.scope),
        )  # fmt: skip
    if mine.tree != theirs.tree:
        yield from _files(name, mine, theirs, scope)
    for path in _keys(mine.submodules, theirs.submodules):
        one, two = mine.submodules.get(path), theirs.submodules.get(path)
        is_nested = any(state is not None and state.reason for state in (one, two))
        if is_nested and _version(one) != _version(two):
            yield Difference("code", f"{name}/{path}", "changed", _version(one), _version(two))
    left_out = [{s.path: s.hash for s in state.skipped} for state in (mine, theirs)]
    for path in _keys(*left_out):
        if left_out[0].get(path) != left_out[1].get(path):
            yield Difference("code", f"{name}/{path}", "changed")


def _files(
    name: str, mine: RepoState, theirs: RepoState, scope: Sequence[str]
) -> Iterable[Difference]:
    listed = _changed_files(mine, theirs, scope)
    if listed is None:  # git cannot answer; then they count as different
        yield Difference("code", name, "changed", mine.tree, theirs.tree)
        return
    kinds: dict[str, Literal["missing", "extra", "changed"]] = {"A": "missing", "D": "extra"}
    for status, path in listed:
        yield Difference("code", f"{name}/{path}", kinds.get(status, "changed"))


def _changed_files(
    mine: RepoState, theirs: RepoState, scope: Sequence[str]
) -> list[tuple[str, str]] | None:
    from flexlock.code.git import Git

    try:
        listed = Git(Path(mine.path)).run(
            "diff-tree", "-r", "-z", "--no-renames", "--name-status",
            str(mine.tree), str(theirs.tree), "--", *scope,
        )  # fmt: skip
    except CodeError:
        return None
    words = [os.fsdecode(word) for word in listed.split(b"\0") if word]
    found = list(zip(words[::2], words[1::2], strict=True))
    if mine.scope != theirs.scope:
        return found
    counts = counting(mine.scope)
    return [(status, path) for status, path in found if counts(path)]


def code_diff(first: RunLock, other: RunLock) -> str:
    """Return the changes of the code from the first run to the other, as git shows them.

    Raises:
        CodeError: A repository, or a tree in it, is not there any longer.
    """
    from flexlock.code.git import Git

    texts = []
    for name in _keys(first.repos, other.repos):
        mine, theirs = first.repos.get(name), other.repos.get(name)
        if mine and theirs and mine.tree and theirs.tree and mine.tree != theirs.tree:
            shown = Git(Path(mine.path)).run("diff", "--no-color", mine.tree, theirs.tree)
            texts.append(shown.decode(errors="replace"))
    return "".join(texts)


def _version(state: RepoState | None) -> str | None:
    return None if state is None else state.tree or state.commit or state.reason


# --- configurations -----------------------------------------------------------------------


def own_config(lock: RunLock) -> Mapping[str, Any]:
    """Return a configuration without where and when, and with its own directory under one name."""
    save_dir = lock.config.get("save_dir")
    replaced: Callable[[str], str] = (
        (lambda text: text) if not save_dir else lambda text: _relative(text, str(save_dir))
    )
    kept = {key: value for key, value in lock.config.items() if key not in _NOT_COUNTED}
    return dict(_mapped(kept, replaced))


def _relative(text: str, save_dir: str) -> str:
    if text == save_dir:
        return _HERE
    prefix = save_dir.rstrip("/") + "/"
    return f"{_HERE}/{text.removeprefix(prefix)}" if text.startswith(prefix) else text


def _mapped(value: Any, replaced: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return replaced(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, replaced) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, replaced) for item in value]
    return value


def _values(first: Any, other: Any, ignore: frozenset[str], key: str) -> Iterable[Difference]:
    if key in ignore:
        return
    if isinstance(first, Mapping) and isinstance(other, Mapping):
        for name in _keys(first, other):
            inner = f"{key}.{name}" if key else str(name)
            yield from _values(first.get(name, _NONE), other.get(name, _NONE), ignore, inner)
    elif isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        for number, (mine, theirs) in enumerate(zip(first, other, strict=True)):
            yield from _values(mine, theirs, ignore, f"{key}[{number}]")
    elif first is _NONE:
        yield Difference("config", key, "missing", None, other)
    elif other is _NONE:
        yield Difference("config", key, "extra", first, None)
    elif type(first) is not type(other) or first != other:
        yield Difference("config", key, "changed", first, other)


# --- data, earlier runs, environment, result ------------------------------------------------


def _hashes(lock: RunLock) -> dict[str, str]:
    return {name: f"{state.algorithm}:{state.hash}" for name, state in lock.data.items()}


def used_of(lock: RunLock) -> dict[str, str]:
    """Return what the run used of each earlier run, by name, as a text that is equal for equals.

    Those that it uses only through others are left out, and those of which its data tells all.
    """
    used = {name: _used(prev, lock) for name, prev in lock.prevs.items() if prev.direct}
    return {name: text for name, text in used.items() if text is not None}


def _used(prev: PrevState, lock: RunLock) -> str | None:
    cwd = lock.caller.cwd or ""
    home = os.path.normpath(Path(cwd, prev.path))
    places = (Path(os.path.normpath(Path(cwd, state.path))) for state in lock.data.values())
    if prev.consumed or any(place.is_relative_to(home) for place in places):
        return None
    outputs = (prev.lock or {}).get("outputs") or {}
    if outputs and all(output.get("hash") for output in outputs.values()):
        left = {name: [o.get("algorithm"), o["hash"]] for name, o in outputs.items()}
        return json.dumps([left, (prev.lock or {}).get("result")], sort_keys=True, default=str)
    return prev.id or prev.lock_hash or prev.path


def _earlier(first: RunLock, other: RunLock) -> Iterable[Difference]:
    mine, theirs = used_of(first), used_of(other)
    for found in _by_key("prevs", mine, theirs):
        one, two = (lock.prevs.get(found.key) for lock in (first, other))
        yield replace(found, first=one and (one.id or one.path), other=two and (two.id or two.path))


def _by_key(
    section: Section, first: Mapping[str, str], other: Mapping[str, str]
) -> Iterable[Difference]:
    for name in _keys(first, other):
        mine, theirs = first.get(name), other.get(name)
        if mine == theirs:
            continue
        kind: Literal["missing", "extra", "changed"] = (
            "missing" if mine is None else "extra" if theirs is None else "changed"
        )
        yield Difference(section, name, kind, mine, theirs)


def _environment(first: RunLock, other: RunLock) -> Iterable[Difference]:
    mine = {} if first.env is None else asdict(first.env)
    theirs = {} if other.env is None else asdict(other.env)
    for key in _keys(mine, theirs):
        one, two = mine.get(key), theirs.get(key)
        if one == two:
            continue
        if key == "packages_hash":
            yield from _packages(one, two)
        elif key != "packages":
            yield Difference("env", key, "changed", one, two)


def _packages(one: str | None, two: str | None) -> Iterable[Difference]:
    from flexlock.environment import read_packages
    from flexlock.errors import LockNotFoundError

    try:
        first = dict(line.split("==", 1) for line in read_packages(one or ""))
        other = dict(line.split("==", 1) for line in read_packages(two or ""))
    except LockNotFoundError:
        yield Difference("env", "packages", "changed", one, two)
        return
    yield from _by_key("env", first, other)


def _result(first: RunLock, other: RunLock) -> Iterable[Difference]:
    if first.result != other.result:
        yield Difference("result", "result", "changed", first.result, other.result)
    mine = {name: f"{out.algorithm}:{out.hash}" for name, out in first.outputs.items()}
    theirs = {name: f"{out.algorithm}:{out.hash}" for name, out in other.outputs.items()}
    yield from _by_key("result", mine, theirs)


def _keys(first: Mapping[Any, Any], other: Mapping[Any, Any]) -> list[Any]:
    return list(dict.fromkeys([*first, *other]))


def _short(value: Any, length: int = 60) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


# --- the same as an object ------------------------------------------------------------------


class RunDiff:
    """Two runs as mappings of sections to texts, for those who know them that way.

    Args:
        current: A run.
        target: The run that it is compared with.
        ignore_keys: Dotted keys of the configuration that do not count.
        match_include: Pathspecs of the code that counts.
        match_exclude: Pathspecs of the code that does not.
    """

    def __init__(
        self,
        current: RunLock,
        target: RunLock,
        ignore_keys: Iterable[str] = (),
        *,
        match_include: Sequence[str] = (),
        match_exclude: Sequence[str] = (),
    ) -> None:
        self.comparison = compare(
            current, target, ignore=ignore_keys, include=match_include, exclude=match_exclude
        )

    @property
    def diffs(self) -> dict[str, list[str]]:
        """The sections that differ, each with a text for each difference."""
        found: dict[str, list[str]] = {}
        for difference in self.comparison.differences:
            found.setdefault(difference.section, []).append(str(difference))
        return found

    def is_match(self) -> bool:
        """Return whether code, configuration, data and earlier runs are the same."""
        return self.comparison.is_match

    def compare_git(self) -> bool:
        """Return whether the code is the same."""
        return not self.comparison.of("code")

    def compare_config(self) -> bool:
        """Return whether the configuration is the same."""
        return not self.comparison.of("config")

    def compare_data(self) -> bool:
        """Return whether the data is the same."""
        return not self.comparison.of("data")

    def compare_env(self) -> bool:
        """Return whether the environment is the same."""
        return not self.comparison.of("env")
