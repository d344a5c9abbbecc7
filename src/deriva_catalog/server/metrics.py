"""Counting requests, and telling it in the text format of Prometheus.

All processes of a service count into one piece of shared memory, a row of numbers for each of
them, so that whichever of them is asked tells the sum. That is less than a client library for
Prometheus weighs, which would need files for the same. What is counted is fixed when the service
starts: no label has values that clients can choose.

Source: Prometheus, text exposition format 0.0.4.
"""

from __future__ import annotations

import mmap
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

__all__ = ["CONTENT_TYPE", "Metrics", "resource_of"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = ("GET", "POST", "PUT", "DELETE", "other")
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_RESOURCES = (
    "service",
    "catalog",
    "alias",
    "model",
    "entity",
    "attribute",
    "attributegroup",
    "aggregate",
    "history",
    "transaction",
    "objects",
    "authn",
    "other",
)
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_PREFIXES = {"hatrac": "objects", "authn": "authn", "id": "other", "ermrest": "service"}
_OF_CATALOG = {
    "schema": "model",
    "acl": "model",
    "annotation": "model",
    "entity_rid": "entity",
    "hatrac": "objects",
}

_COUNTS = len(_METHODS) * len(_CLASSES) * len(_RESOURCES)
_SECONDS = len(_RESOURCES) * (len(_BOUNDS) + 2)  # buckets, the one without bound, and the sum
_RUNNING = _COUNTS + _SECONDS
_RECEIVED, _SENT, _REFUSED, _BROKEN = range(_RUNNING + 1, _RUNNING + 5)
_SIZE = _RUNNING + 5
_SINGLE = (
    (_RUNNING, "deriva_requests_running", "gauge", "Requests that are being answered."),
    (_RECEIVED, "deriva_received_bytes_total", "counter", "Bytes of request bodies."),
    (_SENT, "deriva_sent_bytes_total", "counter", "Bytes of answers' bodies."),
    (_REFUSED, "deriva_overload_total", "counter", "Requests refused because too many waited."),
    (_BROKEN, "deriva_broken_answers_total", "counter", "Answers that ended before their end."),
)


class Metrics:
    """The counts of one process, beside those of the others. Make it before they are forked."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._memory = memoryview(mmap.mmap(-1, processes * _SIZE * 8)).cast("d")
        self._base = 0
        self.started = time.time()

    def use(self, process: int) -> None:
        """Count in the row of one process (from 0), which begins anew."""
        self._base = process * _SIZE
        self._memory[self._base + _RUNNING] = 0.0

    # All of these are called in the event loop of their process, so nothing is lost.

    def begun(self) -> None:
        """A request has arrived."""
        self._memory[self._base + _RUNNING] += 1

    def ended(self, method: str, resource: str, status: int, seconds: float) -> None:
        """A request was answered."""
        memory, base = self._memory, self._base
        kind = _RESOURCES.index(resource)
        verb = _METHODS.index(method) if method in _METHODS else len(_METHODS) - 1
        if method == "HEAD":
            verb = 0
        family = min(max(status // 100, 1), 5) - 1
        memory[base + (verb * len(_CLASSES) + family) * len(_RESOURCES) + kind] += 1
        bucket = base + _COUNTS + kind * (len(_BOUNDS) + 2)
        memory[bucket + bisect_left(_BOUNDS, seconds)] += 1
        memory[bucket + len(_BOUNDS) + 1] += seconds
        memory[base + _RUNNING] -= 1

    def received(self, size: int) -> None:
        """The body of a request has so many bytes."""
        self._memory[self._base + _RECEIVED] += size

    def sent(self, size: int) -> None:
        """So many bytes of an answer were sent."""
        self._memory[self._base + _SENT] += size

    def refused(self) -> None:
        """A request was refused because too many wait."""
        self._memory[self._base + _REFUSED] += 1

    def broken(self) -> None:
        """An answer could not be finished."""
        self._memory[self._base + _BROKEN] += 1

    # --- telling ---------------------------------------------------------------------

    def text(self) -> str:
        """Everything, summed over the processes."""
        sums = [
            sum(self._memory[place + row * _SIZE] for row in range(self._processes))
            for place in range(_SIZE)
        ]
        lines = [*_requests(sums), *_durations(sums)]
        for place, name, kind, text in _SINGLE:
            lines += _headed(name, kind, text)
            lines.append(f"{name} {sums[place]:.0f}")
        lines += _headed("deriva_start_time_seconds", "gauge", "When the service was started.")
        lines.append(f"deriva_start_time_seconds {self.started:.3f}")
        return "\n".join(lines) + "\n"


def resource_of(path: str) -> str:
    """The kind of resource that a path addresses, out of a fixed list."""
    first, *rest = path[1:].split("/", 4)
    kind = _PREFIXES.get(first, "other")
    if first != "ermrest" or not rest:
        return kind
    if rest[0] == "alias":
        return "alias"
    if rest[0] != "catalog":
        return "service"
    if len(rest) < 3 or not rest[2]:
        return "catalog"
    name = rest[2].lower()
    name = _OF_CATALOG.get(name, name)
    return name if name in _RESOURCES else "other"


def _headed(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _requests(sums: Sequence[float]) -> Iterator[str]:
    name = "deriva_requests_total"
    yield from _headed(name, "counter", "Requests that were answered.")
    place = 0
    for method in _METHODS:
        for status in _CLASSES:
            for resource in _RESOURCES:
                if sums[place]:
                    labels = f'method="{method}",status="{status}",resource="{resource}"'
                    yield f"{name}{{{labels}}} {sums[place]:.0f}"
                place += 1


def _durations(sums: Sequence[float]) -> Iterator[str]:
    name = "deriva_request_seconds"
    yield from _headed(name, "histogram", "From the head of a request to the end of its answer.")
    width = len(_BOUNDS) + 2
    for number, resource in enumerate(_RESOURCES):
        row = sums[_COUNTS + number * width : _COUNTS + (number + 1) * width]
        counts = list(accumulate(row[:-1]))
        if not counts[-1]:
            continue
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), counts, strict=True):
            yield f'{name}_bucket{{resource="{resource}",le="{bound}"}} {count:.0f}'
        yield f'{name}_sum{{resource="{resource}"}} {row[-1]:.6f}'
        yield f'{name}_count{{resource="{resource}"}} {counts[-1]:.0f}'
