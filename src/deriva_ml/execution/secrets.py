"""Keeping passwords and tokens out of what a catalog keeps of a run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

__all__ = ["MASK", "copy_masked", "masked"]

MASK = "***"

# Whole words: `max_tokens` and `tokenizer` are parameters of models.
_SECRET = re.compile(
    r"(^|[._-])(credentials?|passw(or)?d|passwd|secret|api[_-]?key"
    r"|(access|auth|bearer|refresh|id)[_-]token)$",
    re.IGNORECASE,
)


def masked(value: Any) -> Any:
    """A document whose members with names of secrets are masked.

    Overrides as Hydra lists them (``name=value`` in a list) are treated as members.

    Example:
        >>> masked({"deriva_ml": {"credential": {"bearer-token": "x"}}, "max_tokens": 5})
        {'deriva_ml': {'credential': '***'}, 'max_tokens': 5}
    """
    if isinstance(value, dict):
        return {
            name: MASK if v is not None and _SECRET.search(str(name)) else masked(v)
            for name, v in value.items()
        }
    if isinstance(value, list):
        return [_override(v) if isinstance(v, str) else masked(v) for v in value]
    return value


def _override(text: str) -> str:
    name, equals, _ = text.partition("=")
    hidden = equals and any(_SECRET.search(part) for part in (name, *name.split(".")))
    return f"{name}={MASK}" if hidden else text


def copy_masked(source: Path, target: Path) -> Path:
    """Copy a file; of a YAML document with secrets, a copy without them. Returns `target`.

    Raises:
        OSError: A file cannot be read or written.
    """
    if source.suffix in (".yaml", ".yml"):
        try:
            document = yaml.safe_load(source.read_bytes())
        except (yaml.YAMLError, UnicodeDecodeError):  # copied as it is, like any other file
            document = None
        shown = masked(document)
        if shown != document:
            target.write_text(yaml.safe_dump(shown, sort_keys=False), encoding="utf-8")
            return target
    return Path(shutil.copyfile(source, target))
