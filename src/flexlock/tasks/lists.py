"""Task lists: lines, YAML, JSON, JSON lines, CSV, TSV or standard input become tasks."""

from __future__ import annotations

import csv
import io
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flexlock.config.scalars import read_text, settle
from flexlock.config.yaml_text import load_yaml
from flexlock.errors import ConfigError
from flexlock.tasks.identity import task_id, task_name
from flexlock.tasks.model import Task

__all__ = ["make_tasks", "read_tasks"]

Convert = Callable[[str, Any], Any]
"""Takes a dotted key and text or a value; returns the value that the configuration will hold."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def _by_its_look(key: str, value: Any) -> Any:
    return settle(value)


def read_tasks(
    sources: Sequence[str | Path],
    *,
    key: str | None = None,
    allow_duplicates: bool = False,
    convert: Convert = _by_its_look,
) -> list[Task]:
    """Read task lists, in the order given.

    The suffix says what a file is. ``.yaml`` and ``.yml``, ``.json``: a list. ``.jsonl``: a value
    a line. ``.csv`` and ``.tsv``: the first row has dotted keys, each other row is a task, an empty
    cell leaves the configuration's own value. Anything else, and ``-`` (standard input): a value a
    line, without blank lines and lines that begin with ``#``. Lines and cells are scalars as in
    ``-o``: ``1e-3`` is a float, ``"1"`` a string.

    Args:
        sources: Files, or ``-``.
        key: The dotted key that a value is for. Mappings and rows are merged below it, or at the
            root of the configuration without it.
        allow_duplicates: Whether equal tasks are kept. Else the first of them counts.
        convert: Makes text what the configuration declares for its key. Without it the text alone
            says what it is.

    Raises:
        ConfigError: A file is missing or cannot be read as what its suffix says; or there is a
            value that is no mapping and `key` is None.
    """
    items = [item for source in sources for item in _read_items(source)]
    return make_tasks(items, key=key, allow_duplicates=allow_duplicates, convert=convert)


def make_tasks(
    items: Iterable[Any],
    *,
    key: str | None = None,
    allow_duplicates: bool = False,
    convert: Convert = _by_its_look,
) -> list[Task]:
    """Make tasks of values or mappings, as `read_tasks` does of what it reads.

    Raises:
        ConfigError: There is a value that is no mapping and `key` is None; or an empty mapping.
    """
    seen: Counter[str] = Counter()
    tasks: list[Task] = []
    for item in items:
        values = {name: convert(name, value) for name, value in _values(item, key).items()}
        seen[identity := task_id(values)] += 1
        copy = seen[identity]
        if copy > 1 and not allow_duplicates:
            continue
        tasks.append(Task(len(tasks), task_id(values, copy), values, task_name(values, copy)))
    return tasks


def _values(item: Any, key: str | None) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        values = dict(_flatten(item, key))
        if values:
            return values
        message = "A task is an empty mapping: it changes nothing."
        raise ConfigError(message, hint="Remove it from the task list.")
    if key is None:
        message = f"The task {item!r} is a value, and nothing says which key it is for."
        raise ConfigError(message, hint="Give the key with --task_to KEY.", item=item)
    return {key: item}


def _flatten(item: Mapping[Any, Any], prefix: str | None) -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        key = str(name) if prefix is None else f"{prefix}.{name}"
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, key)
        else:
            yield key, value


def _read_items(source: str | Path) -> list[Any]:
    if str(source) == "-":
        return _lines(_standard_input(), "standard input")
    path = Path(source)
    text = _read_text(path)
    suffix = path.suffix.lower()
    if suffix in {".yaml", ".yml"}:
        return _list(load_yaml(text, where=str(path), keep_text=True), path)
    if suffix == ".json":
        return _list(_json(text, str(path)), path)
    if suffix == ".jsonl":
        lines = enumerate(text.split("\n"), 1)
        return [_json(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    if suffix in _DELIMITERS:
        return _rows(text, path, _DELIMITERS[suffix])
    return _lines(text, str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as cause:
        message = f"The task list {str(path)!r} does not exist."
        raise ConfigError(message, hint="Check the name given to --tasks.", path=path) from cause
    except (OSError, UnicodeDecodeError) as cause:
        message = f"The task list {str(path)!r} cannot be read: {cause}."
        raise ConfigError(message, hint="It must be a text file in UTF-8.", path=path) from cause


def _standard_input() -> str:
    try:
        text = sys.stdin.read()
        text.encode()  # where bytes that are no text were let through
    except UnicodeError as cause:
        message = f"The task list on standard input cannot be read: {cause}."
        raise ConfigError(message, hint="It must be text in UTF-8.") from cause
    return text


def _lines(text: str, name: str) -> list[Any]:
    # Not `splitlines`: a value may have other line breaks of Unicode in it.
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 1 and len(parts := _split_escaped(lines[0])) > 1:
        warnings.warn(
            f"{name} has one line with \\n between values (some shells' echo writes it so); "
            f"it is read as {len(parts)} lines.",
            stacklevel=4,
        )
        lines = parts
    return [read_text(line) for line in lines]


def _split_escaped(line: str) -> list[str]:
    return [part.strip() for part in line.split("\\n") if part.strip()]


def _list(content: Any, path: Path) -> list[Any]:
    if content is None or content == "":
        return []
    if isinstance(content, list):
        return content
    message = f"The task list {str(path)!r} holds a {type(content).__name__}, not a list."
    raise ConfigError(message, hint="Write one list item for each task.", path=path)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as cause:
        message = f"{name} is not JSON: {cause}."
        raise ConfigError(message, hint="Correct it, or use another suffix.") from cause


def _rows(text: str, path: Path, delimiter: str) -> list[Any]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as cause:
        message = f"{path}, line {reader.line_num}: {cause}."
        raise ConfigError(message, hint="Check quotes and delimiters.", path=path) from cause
    if not rows:
        return []
    header = [cell.strip() for cell in rows[0][1]]
    if "" in header or len(set(header)) < len(header):
        message = f"{path}: the first row must name each column once, found {header}."
        raise ConfigError(message, hint="Write the dotted keys into the first row.", path=path)
    return [_row(header, row, f"{path}, line {number}") for number, row in rows[1:]]


def _row(header: list[str], row: list[str], name: str) -> dict[str, Any]:
    if len(row) != len(header):
        message = f"{name} has {len(row)} cells where the first row has {len(header)}."
        raise ConfigError(message, hint="Fill up the row, or quote the cell with the delimiter.")
    cells = zip(header, row, strict=True)
    return {key: read_text(cell.strip()) for key, cell in cells if cell.strip()}
