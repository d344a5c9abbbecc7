"""Keeping secrets out of everything that is written or printed.

A value is a secret when its key says so (``password``, ``secret``, ``token``, ``credential``,
``...key``) or when it has a secret type. It is shown as ``***`` and a few hexadecimal digits: a
hash under a key that stays on this machine, so that two runs with the same secret can be seen to
have the same one, and nobody can try out words against it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["mask_secrets", "mask_text", "mask_words", "secret_values", "shown"]

# "token" also begins the names of text encoders (tokenizer), which are no secrets.
_SECRET_TEXT = re.compile(r"token(?!i[sz])|key$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"password|passwd|secret|credential", re.IGNORECASE)
_LIKE_A_NAME = re.compile(r"[a-z][a-z_]*")
_SHORTEST_REPLACED = 4
_LONG = 8
_LONGEST_NUMBER = 9
_MASK = "***"


def mask_secrets(tree: Any, known: frozenset[str] = frozenset()) -> Any:
    """Return a tree of plain values with every secret masked.

    Text below a secret key is masked at any depth. Numbers, booleans and null are masked below
    ``password``, ``secret`` and ``credential`` only, so that ``max_tokens: 512`` stays readable.
    Where the text of a secret occurs in another value, such as a URL or an error message, that part
    is masked too, see `mask_text`.

    Args:
        tree: Dictionaries, lists, tuples and scalars; other objects are kept as they are.
        known: Secrets that were found elsewhere.
    """
    found = secret_values(tree) | known
    return _mask(tree, found, None)


def secret_values(tree: Any) -> frozenset[str]:
    """Return the texts of the secrets in a tree, to look for them elsewhere.

    Plain lower-case words below ``...key`` and ``token`` are not among them: ``sort_key: date``
    must not make every ``date`` unreadable.
    """
    found: set[str] = set()
    _collect(tree, None, found)
    return frozenset(found)


def mask_text(text: str, found: frozenset[str]) -> str:
    """Return text with the given secrets masked.

    Secrets of eight characters and more are found anywhere, those of four to seven where they stand
    by themselves, shorter ones only when they are the whole text.
    """
    if text in found:
        return _masked(text)
    for value in sorted(found, key=len, reverse=True):
        if len(value) < _SHORTEST_REPLACED or value not in text:
            continue
        if len(value) >= _LONG:
            text = text.replace(value, _masked(value))
        else:
            alone = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
            text = re.sub(alone, _masked(value), text)
    return text


def mask_words(words: Sequence[str], found: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the words of a command line with secrets masked.

    Beside the given secrets, what follows a secret key is one: ``-o password X``, ``--token X``,
    ``password=X``. A secret key may be any part of a dotted name. Numbers of up to nine characters
    are masked as `mask_secrets` masks numbers, so that ``max_tokens=512`` stays readable.
    """
    masked: list[str] = []
    previous: str | None = None
    for word in words:
        key, sign, value = word.partition("=")
        name = _deciding_name(key)
        if sign and value and _is_secret(name, _typed(value)):
            is_shown = _is_interpolation(value) or value.startswith(_MASK)
            masked.append(word if is_shown else f"{key}={_masked(value)}")
        elif _is_secret(previous, _typed(word)) and not word.startswith("--"):
            masked.append(word if word.startswith(_MASK) else _masked(word))
            previous = None
            continue
        else:
            masked.append(mask_text(word, found))
        previous = None if sign else name
    return tuple(masked)


def _deciding_name(key: str) -> str:
    """Return the part of a dotted name that decides: a secret one, else the last."""
    name = ""
    for part in key.lstrip("+~-").split("."):
        name = _inherited(name or None, part)
    return name


def _typed(word: str) -> str | float | bool:
    """Return a short number, true, false and null as what is no text; tokens of digits are long."""
    if word.lower() in ("true", "false", "null", "none"):
        return False
    with contextlib.suppress(ValueError):
        return float(word) if len(word) <= _LONGEST_NUMBER else word
    return word


def _last_name(key: str) -> str:
    return key.lstrip("+-").rpartition(".")[2]


def shown(key: str, value: Any) -> str:
    """Return a value as an error message may show it: its repr, masked when it is a secret."""
    return _MASK if value != "" and _is_secret(_last_name(key), value) else repr(value)


def _is_secret(key: str | None, value: Any) -> bool:
    if hasattr(value, "get_secret_value"):
        return True
    if key is None or value is None:
        return False
    if _SECRET_VALUE.search(key):
        return True
    is_text = not isinstance(value, (bool, int, float))
    return is_text and _SECRET_TEXT.search(key) is not None


def _reveal(value: Any) -> str:
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _collect(value: Any, key: str | None, found: set[str]) -> None:
    """Gather secrets; `key` is the nearest secret key above the value, else its own."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            _collect(item, _inherited(key, str(name)), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, key, found)
    elif _is_secret(key, value):
        text = _reveal(value)
        is_sure = hasattr(value, "get_secret_value") or _SECRET_VALUE.search(key or "") is not None
        is_telling = is_sure or not _LIKE_A_NAME.fullmatch(text)
        if text and is_telling and not _is_interpolation(text) and not text.startswith(_MASK):
            found.add(text)


def _mask(value: Any, found: frozenset[str], key: str | None) -> Any:
    if isinstance(value, Mapping):
        return {
            mask_text(k, found) if isinstance(k, str) else k: _mask(
                v, found, _inherited(key, str(k))
            )
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_mask(item, found, key) for item in value]
    if _is_secret(key, value):
        text = _reveal(value)
        is_shown = not text or _is_interpolation(text) or text.startswith(_MASK)
        return text if is_shown else _masked(text)
    return mask_text(value, found) if isinstance(value, str) else value


def _inherited(above: str | None, name: str) -> str:
    """Return the key that decides: a secret key above counts for everything below it."""
    return above if above is not None and _is_secret(above, "") else name


def _is_interpolation(text: str) -> bool:
    return re.fullmatch(r"\$\{[^{}]*\}", text) is not None and "," not in text


def _masked(text: str) -> str:
    key = _key()
    if key is None:
        return _MASK
    return _MASK + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:12]


@cache
def _key() -> bytes | None:
    """Return this machine's key, made on first use; None where none can be kept."""
    home = os.environ.get("FLEXLOCK_KEY_FILE")
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        file = Path(home) if home else Path(base or Path.home() / ".config") / "flexlock/mask.key"
    except RuntimeError:  # there is no home directory
        return None
    with contextlib.suppress(OSError):
        return file.read_bytes() or None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Linked into place whole, so that two processes that start together agree on one key.
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secrets.token_bytes(32))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink()
        return file.read_bytes() or None
    except OSError:
        return None
