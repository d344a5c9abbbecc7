"""Keeping passwords and tokens out of what a catalog keeps of a run.

What is a secret, and how it is masked, is `flexlock.config`'s to say. Here it is found in what
Hydra writes: overrides are lists of ``name=value``, the same values come again in other files, and
the connection may be the URL of a database with a password in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from deriva_catalog.engine.postgresql.address import is_database_url
from deriva_catalog.errors import BadRequest

from ..core.host import without_password

__all__ = ["copy_masked", "described", "masked_words"]

_MASK = "***"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is ten times as fast


def masked_words(words: Sequence[str], known: frozenset[str] = frozenset()) -> list[str]:
    """Overrides, or the words of a command line, with secrets masked.

    Args:
        words: The words; URLs of databases lose their passwords.
        known: Secrets that were found elsewhere.
    """
    from flexlock.config import mask_words

    return list(mask_words([_addressed(w) for w in words], known | _secrets(list(words))))


def described(base: str, overrides: Iterable[str]) -> str:
    """The description of a run: what it is for, and the overrides that make it differ, masked.

    That a run was taken up again is no difference.
    """
    told = [w for w in overrides if not w.lstrip("+").startswith(("description=", "resume="))]
    return f"{base} [overrides: {', '.join(masked_words(told))}]".strip() if told else base


def copy_masked(files: Mapping[Path, Path]) -> None:
    """Copy text files, without the secrets that any of their YAML documents names.

    A document with a secret is written anew; other files are copied as they are.

    Args:
        files: Where each file goes.

    Raises:
        OSError: A file cannot be read or written.
    """
    documents = {source: _document(source) for source in files}
    known = frozenset[str]().union(*(_secrets(d) for d in documents.values()))
    for source, target in files.items():
        text = _masked_text(source, documents[source], known)
        if text is None:
            shutil.copyfile(source, target)
        else:
            target.write_text(text, encoding="utf-8")


def _document(source: Path) -> Any:
    """What a YAML file holds; None for any other file."""
    if source.suffix in (".yaml", ".yml"):
        with suppress(yaml.YAMLError, UnicodeDecodeError):
            return yaml.load(source.read_bytes(), _LOADER)
    return None


def _masked_text(source: Path, document: Any, known: frozenset[str]) -> str | None:
    """The text of a file without secrets; None where it has none."""
    from flexlock.config import mask_secrets, mask_text

    # Names and values together are secrets also where they are joined with others, such as in
    # `override_dirname` and in directories that are called after it.
    shown = mask_secrets(_with_masked_overrides(document, known), known | _pairs(document))
    if shown != document:
        return yaml.safe_dump(shown, sort_keys=False)
    try:
        text = source.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    masked = mask_text(text, known)
    return None if masked == text else masked


def _with_masked_overrides(tree: Any, known: frozenset[str]) -> Any:
    """A tree with overrides in lists masked, and URLs of databases without their passwords."""
    if isinstance(tree, dict):
        return {name: _with_masked_overrides(value, known) for name, value in tree.items()}
    if isinstance(tree, list):
        return [
            masked_words([v], known)[0]
            if isinstance(v, str) and "=" in v
            else _with_masked_overrides(v, known)
            for v in tree
        ]
    return _without_password(tree) if isinstance(tree, str) else tree


# --- finding -----------------------------------------------------------------------------


def _secrets(tree: Any) -> frozenset[str]:
    """The texts of the secrets in a tree, in its overrides, and in its URLs of databases."""
    from flexlock.config import secret_values

    overrides = [_tree_of(word) for word in _overrides(tree)]
    found = set(secret_values([tree, overrides]))
    for text in _texts([tree, overrides]):
        if is_database_url(text) and (plain := _without_password(text)) != text:
            found.add(text)
            with suppress(ValueError):
                password = urlsplit(text).password or ""
                # One that is the user's name is no secret by itself: "postgres" stays readable.
                found |= {p for p in (password, unquote(password)) if p and p not in plain}
    return frozenset(found)


def _pairs(tree: Any) -> frozenset[str]:
    """The overrides in a tree that have something to hide, as they are written."""
    return frozenset(word for word in _overrides(tree) if masked_words([word]) != [word])


def _overrides(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _overrides(value)
    elif isinstance(tree, list):
        for value in tree:
            if isinstance(value, str) and "=" in value:
                yield value
            else:
                yield from _overrides(value)


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict | list):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(value)
    elif isinstance(tree, str):
        yield tree


def _tree_of(override: str) -> dict[str, Any]:
    """What an override such as ``a.b=value`` sets."""
    name, _, value = override.partition("=")
    tree = _value_of(override, value)
    for part in reversed(name.lstrip("+~-").split(".")):
        tree = {part: tree}
    return dict(tree)


def _value_of(override: str, text: str) -> Any:
    """The value of an override, in plain types."""
    if text.startswith(("{", "[", "'", '"')):  # reading Hydra's grammar takes a while to import
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from hydra.errors import HydraException

        with suppress(HydraException):
            parsed = OverridesParser.create().parse_override(override)
            return text if parsed.is_sweep_override() else parsed.value()
    with suppress(yaml.YAMLError):
        value = yaml.safe_load(text)
        return value if isinstance(value, int | float) or value is None else text
    return text


# --- URLs of databases -------------------------------------------------------------------


def _addressed(word: str) -> str:
    """A word that may be, or assign, the URL of a database, without the password."""
    name, equals, value = word.partition("=")
    if is_database_url(word):
        return _without_password(word)
    return f"{name}={_without_password(value)}" if equals else word


def _without_password(text: str) -> str:
    try:
        return without_password(text)
    except BadRequest:  # one that begins like such a URL, but is none: what is in it is not known
        return _MASK
