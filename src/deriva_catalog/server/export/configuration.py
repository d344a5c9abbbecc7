"""What an export is to hold: the JSON that browsers and the deriva tools send.

::

    {"env": {"accession": "X1"},
     "bag": {"bag_name": "x1", "bag_archiver": "zip", "bag_metadata": {"Contact-Name": "..."}},
     "catalog": {"host": "https://...", "catalog_id": "1", "query_processors": [
        {"processor": "csv", "processor_params": {
            "query_path": "/entity/S:T/accession={accession}", "output_path": "{accession}/T"}}]}}

What the service does not do is refused, and never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ...bag.archives import Archiver
from ...errors import BadRequest

__all__ = ["Configuration", "Processor", "Step", "read_configuration"]

Processor = Literal["csv", "json", "json-stream", "env", "fetch", "download"]

_PROCESSORS = ("csv", "json", "json-stream", "env", "fetch", "download")
_ARCHIVERS = ("zip", "tar", "tgz")
_ALGORITHMS = ("md5", "sha256")
_MOST_STEPS = 1000
_HINTS_OF_CLIENTS = ("paged_query", "paged_query_size", "paged_query_sort_columns")
"""How a client may cut a query into pages. Here every result is one stream."""


@dataclass(frozen=True, slots=True)
class Step:
    """One query and what becomes of its rows; the texts may have ``{names}`` in them.

    `keys` are those columns that an ``env`` step remembers; all of them if it is None.
    """

    processor: Processor
    query: str
    output_path: str = ""
    output_filename: str | None = None
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """An export: its catalog, steps, variables, and how a bag of it is packed."""

    catalog: str
    steps: tuple[Step, ...]
    host: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    archiver: Archiver = "zip"
    labels: Mapping[str, str] = field(default_factory=dict)


def read_configuration(document: Any) -> Configuration:
    """The export that a JSON document describes.

    Raises:
        BadRequest: it is malformed, or asks for what this service does not do.
    """
    whole = _object(document, "The export configuration")
    for member in ("post_processors", "transform_processors"):
        if whole.get(member):
            raise BadRequest(
                f"Exports have no {member!r} here.", hint="Leave them out and take the result."
            )
    catalog = _object(whole.get("catalog"), "'catalog'")
    bag = _object(whole.get("bag") or {}, "'bag'")
    steps = catalog.get("query_processors", catalog.get("queries"))
    if not isinstance(steps, list) or not steps or len(steps) > _MOST_STEPS:
        raise BadRequest(f"'query_processors' is a list of 1 to {_MOST_STEPS} steps.")
    name = catalog.get("catalog_id")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    return Configuration(
        catalog=_text(name, "'catalog_id'"),
        host=None if catalog.get("host") is None else _text(catalog["host"], "'host'"),
        steps=tuple(_step(number, step) for number, step in enumerate(steps, start=1)),
        variables=_texts(whole.get("env") or {}, "'env'"),
        name=None if bag.get("bag_name") is None else _text(bag["bag_name"], "'bag_name'"),
        archiver=_archiver(bag),
        labels=_texts(bag.get("bag_metadata") or {}, "'bag_metadata'"),
    )


def _archiver(bag: Mapping[str, Any]) -> Archiver:
    algorithms = bag.get("bag_algorithms") or []
    if not isinstance(algorithms, list) or not set(map(str, algorithms)) <= set(_ALGORITHMS):
        raise BadRequest(
            f"'bag_algorithms' is {algorithms!r}.",
            hint=f"Bags are written with {' and '.join(_ALGORITHMS)}, always with both.",
        )
    archiver = bag.get("bag_archiver", "zip")
    if archiver not in _ARCHIVERS:
        raise BadRequest(f"'bag_archiver' is one of {', '.join(_ARCHIVERS)}, not {archiver!r}.")
    return cast(Archiver, archiver)


def _step(number: int, document: Any) -> Step:
    what = f"Step {number} of the export"
    step = _object(document, what)
    processor = step.get("processor")
    if step.get("processor_type") is not None:
        raise BadRequest(
            f"{what} brings the processor {step['processor_type']!r} of its own, which a service "
            "does not run.",
            hint=f"Use one of {', '.join(_PROCESSORS)}, or download with the client's own tool.",
        )
    if processor not in _PROCESSORS:
        raise BadRequest(
            f"{what} needs the processor {processor!r}, which this service does not have.",
            hint=f"There are {', '.join(_PROCESSORS)}. Export rows, and convert them afterwards.",
        )
    given = _object(step.get("processor_params"), f"'processor_params' of {what.lower()}")
    unknown = given.keys() - {"query_path", "output_path", "output_filename", "query_keys"}
    unknown -= set(_HINTS_OF_CLIENTS)
    if unknown:
        raise BadRequest(f"{what} has the parameter {min(unknown)!r}, which nothing here knows.")
    keys = given.get("query_keys")
    if keys is not None and not _are_texts(keys):
        raise BadRequest(f"{what}: 'query_keys' is a list of names.")
    filename = given.get("output_filename")
    return Step(
        processor=cast(Processor, processor),
        query=_text(given.get("query_path"), f"{what}: 'query_path'"),
        output_path=_text(given.get("output_path", ""), f"{what}: 'output_path'", empty=True),
        output_filename=None if filename is None else _text(filename, f"{what}: 'output_filename'"),
        keys=None if keys is None else tuple(keys),
    )


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(item, str) for item in value)
    )


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{what} is an object.")
    return value


def _text(value: Any, what: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise BadRequest(f"{what} is a text.")
    return value


def _texts(value: Any, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, item in _object(value, what).items():
        if isinstance(item, (dict, list)) or item is None:
            raise BadRequest(f"{what} is an object of texts; {name!r} is none.")
        found[name] = item if isinstance(item, str) else str(item)
    return found
