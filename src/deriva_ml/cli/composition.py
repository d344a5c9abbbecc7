"""Why Hydra cannot compose a configuration, in one paragraph that names the right words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["composition_text"]

_GROUP_OPTION = re.compile(r"Could not find '(?P<group>[^']+)/(?P<option>[^'/]+)'")
_KEY = re.compile(r"Could not (?:override|delete)[^']*'(?P<key>[^']+)'")
_QUOTED = (
    "A list is written key=[a,b]; a text with commas, brackets or quotes is quoted twice: "
    "\"key='a, b'\"."
)
_NO_GROUP = "No match in the defaults list"
_LAUNCHERS = ("joblib", "submitit_local", "submitit_slurm")
"""What is an option once the plugins for Hydra are installed."""
_APPEND = re.compile(r"To append to your default list use (?P<word>\+\S+)")


def composition_text(error: Exception) -> str:
    """Say why Hydra cannot compose the configuration, and what may have been meant."""
    text = str(error).partition("Config search path")[0].partition("Available options")[0]
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    word = getattr(error, "override", None)  # that Hydra could not read
    about = f"{word!r} is not understood: " if word else ""
    told = f"The configuration cannot be composed: {about}{first.rstrip('.')}."
    cause = error.__cause__
    reason = str(cause).strip().splitlines()[0] if cause is not None and str(cause).strip() else ""
    if reason and reason not in told:
        told += f" {reason.rstrip('.')}."
    notes = "".join(f" {note.rstrip('.')}." for note in getattr(error, "__notes__", ()))
    return f"{told}{_hint(error, text)}{notes} '--info' lists what there is."


def _hint(error: Exception, text: str) -> str:
    """Return what to write instead, and the names there are."""
    if text.startswith("Ambiguous value"):
        return f" For a run with each of the values, add -m. {_QUOTED}"
    if getattr(error, "override", None):
        return f" {_QUOTED}"
    option = _GROUP_OPTION.search(text)
    if option is not None:
        if option["group"] == "hydra/launcher" and option["option"] in _LAUNCHERS:
            return " Install it: pip install 'derivaml[sweeps]'."
        known = list(getattr(error, "options", None) or _options(option["group"]))
        added = "+" if option["group"] == "experiment" else ""  # no main configuration has one
        return _choices(option["option"], known, f"{added}{option['group']}=")
    named = _KEY.search(text)
    if named is None:
        return ""
    key = named["key"].partition("@")[0]
    append = _APPEND.search(text)
    if append is not None and key in _top_level():
        return f" Did you mean {append['word']!r}? Nothing of {key!r} is chosen unless it is added."
    if _NO_GROUP in text or (
        getattr(error.__cause__, "parent_node", None) is None and "." not in key
    ):
        return _choices(key, _top_level(), "")
    node = getattr(error.__cause__, "parent_node", None)
    missing = str(getattr(error.__cause__, "key", None) or key.rpartition(".")[2])
    above = key[: key.find(missing)] if missing in key else ""
    return _choices(missing, _keys(node), above)


def _choices(wrong: str, known: Iterable[str], prefix: str) -> str:
    names = sorted(set(known))
    near = difflib.get_close_matches(wrong, names, n=1)
    hint = f" Did you mean {f'{prefix}{near[0]}'!r}?" if near else ""
    return f"{hint} There are: {', '.join(names)}." if names else hint


def _options(group: str) -> list[str]:
    from deriva_ml.core.zen_store import stored_options

    return [option.name for option in stored_options() if option.group == group]


def _top_level() -> set[str]:
    """The groups; what a word without a dot can be about, beside keys of the main configuration."""
    from deriva_ml.core.zen_store import stored_options

    return {option.group for option in stored_options() if option.group} | {"multirun"}


def _keys(node: Any) -> list[str]:
    if not isinstance(node, Mapping) and not hasattr(node, "keys"):
        return []
    return [str(key) for key in node if not str(key).startswith("_") and key != "hydra"]
