"""Validate Croissant descriptions with mlcroissant, and load records through it.

Its argument is a JSON object: ``told`` (the file that the answer goes to) and ``datasets``, each
with ``file`` (the description) and ``records`` (names of the record sets to load). It has, for
each of them, ``errors``, ``warnings`` and ``records`` by name, as lists of mappings; a time is its
ISO 8601 text, a picture its size.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pandas as pd


def plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {key.rpartition("/")[2]: plain(item) for key, item in value.items()}
    return list(value.size) if hasattr(value, "size") and hasattr(value, "getpixel") else value


def seen(file: str, records: list[str]) -> dict[str, Any]:
    try:
        dataset = mlc.Dataset(file)
    except mlc.ValidationError as error:
        return {"errors": [str(error)], "warnings": [], "records": {}}
    issues = dataset.metadata.ctx.issues
    answer = {"errors": sorted(issues.errors), "warnings": sorted(issues.warnings)}
    # One object loads one record set: it keeps what it has read, and reads it only once.
    loaded = {name: [plain(r) for r in mlc.Dataset(file).records(name)] for name in records}
    return {**answer, "records": loaded}


def main() -> None:
    asked = json.loads(sys.argv[1])
    answers = [seen(one["file"], one["records"]) for one in asked["datasets"]]
    Path(asked["told"]).write_text(json.dumps(answers))


main()
