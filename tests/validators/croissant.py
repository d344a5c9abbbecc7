"""Validate a Croissant description with mlcroissant, and load records through it.

Its argument is a JSON object: ``file`` (the description), ``told`` (the file that the answer goes
to) and ``records`` (names of the record sets to load). The answer has ``errors``, ``warnings`` and
``records`` by name, as lists of mappings; a time is its ISO 8601 text, a picture its size.
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


def main() -> None:
    asked = json.loads(sys.argv[1])
    answer: dict[str, Any] = {"errors": [], "warnings": [], "records": {}}
    try:
        dataset = mlc.Dataset(asked["file"])
    except mlc.ValidationError as error:
        answer["errors"] = [str(error)]
    else:
        issues = dataset.metadata.ctx.issues
        answer["errors"], answer["warnings"] = sorted(issues.errors), sorted(issues.warnings)
        for name in asked["records"]:
            # One object loads one record set: it keeps what it has read, and reads it only once.
            records = mlc.Dataset(asked["file"]).records(name)
            answer["records"][name] = [plain(record) for record in records]
    Path(asked["told"]).write_text(json.dumps(answer))


main()
