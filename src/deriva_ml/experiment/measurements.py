"""Measurements of executions as flat names and numbers, which is how other tools keep them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .files import flat

__all__ = [
    "Metric",
    "latest",
    "measured",
    "metrics_in",
    "read_metrics",
    "shown",
    "write_metrics",
]

_STEPS = ("step", "epoch", "iteration")
_TIMES = ("timestamp", "time")
_NAMES = ("name", "metric", "key")


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement.

    Attributes:
        name: What was measured; parts of nested documents are joined by dots.
        value: The number.
        step: At which step of the run; None where no step is told.
        time: When, in UTC; None where no time is told.
    """

    name: str
    value: float
    step: int | None = None
    time: datetime | None = None


def shown(value: Any) -> str:
    """A value as a text: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def latest(metrics: Iterable[Metric]) -> dict[str, Metric]:
    """The last measurement of each name: at the highest step, the later one of the same step."""
    found: dict[str, Metric] = {}
    for metric in metrics:
        known = found.get(metric.name)
        if known is None or (metric.step or 0) >= (known.step or 0):
            found[metric.name] = metric
    return dict(sorted(found.items()))


def read_metrics(file: Path) -> list[Metric]:
    """The measurements in a file (see `metrics_in`)."""
    return metrics_in(file.read_bytes())


def metrics_in(content: bytes) -> list[Metric]:
    """The measurements in JSON documents, one a line or one alone.

    A document is a mapping of names to numbers, with ``step`` (or ``epoch``) and ``timestamp``
    beside them; or one measurement with ``name`` and ``value``. What is no number is passed over.
    A line that is no JSON is passed over too: the run may have died while writing it.
    """
    return [metric for document in measured(content) for metric in _of_document(document)]


def measured(content: bytes) -> Iterator[dict[str, Any]]:
    """The documents themselves, as they were written, without those that are no JSON objects."""
    text = content.decode(errors="replace")
    whole = _parsed(text)
    documents = [whole] if whole is not None else map(_parsed, text.split("\n"))
    for document in documents:
        for entry in document if isinstance(document, list) else [document]:
            if isinstance(entry, dict):
                yield entry


def write_metrics(file: Path, metrics: Iterable[Metric]) -> None:
    """Write measurements, one JSON document a line, so that `read_metrics` reads them back."""
    with file.open("w", encoding="utf-8") as out:
        for metric in metrics:
            reserved = metric.name in (*_STEPS, *_TIMES, *_NAMES, "value")
            entry: dict[str, Any] = {metric.name: metric.value}
            if reserved:
                entry = {"name": metric.name, "value": metric.value}
            if metric.step is not None:
                entry["step"] = metric.step
            if metric.time is not None:
                entry["timestamp"] = metric.time.isoformat()
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_document(document: dict[str, Any]) -> Iterator[Metric]:
    step = next((s for n in _STEPS if (s := _whole(document.get(n))) is not None), None)
    time = next((t for n in _TIMES if (t := _time(document.get(n))) is not None), None)
    named = next((n for n in _NAMES if isinstance(document.get(n), str)), None)
    if named is not None and "value" in document:
        value = _number(document["value"])
        if value is not None:
            yield Metric(document[named], value, step, time)
        return
    for name, leaf in flat(document).items():
        value = _number(leaf)
        if value is not None and name not in (*_STEPS, *_TIMES):
            yield Metric(name, value, step, time)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _time(value: Any) -> datetime | None:
    """A moment, from ISO 8601 or from seconds or milliseconds since 1970."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    number = _number(value)
    if number is None or not 0 < number < 1e14:
        return None
    return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
