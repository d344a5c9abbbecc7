"""From text, as it stands in a URL or a CSV cell, to the canonical values that are stored.

Source: ERMrest, "Column types and values" (CSV forms) and "Representations" (arrays).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import Conflict
from .elements import ColumnType
from .typenames import Family, family
from .values import Refuse, Scalar, encoder, refusal

__all__ = ["TextEncoder", "array_text", "text_encoder"]

_PLAIN_ELEMENT = re.compile(r'[^\s{},"\\]+')
TextEncoder = Callable[[str], Scalar]


def text_encoder(column_type: ColumnType, column: str | None = None) -> TextEncoder:
    """The function that turns text into the stored value of a `column_type`.

    A json or jsonb literal is JSON text, so ``null`` is the JSON value null and not NULL. An
    array is written ``{a,"b c",NULL}`` or as a JSON list.

    Args:
        column_type: The type of the column.
        column: The column's name, for messages.

    Raises (the returned function):
        BadRequest: the text is no number, for a numeric column.
        Conflict: the text is no value of another type.
    """
    kind = family(column_type)
    if kind is Family.JSON:
        return _json_text_encoder(column_type, column)
    if kind is Family.ARRAY:
        return _array_text_encoder(column_type, column)
    return encoder(column_type, column)


def _json_text_encoder(column_type: ColumnType, column: str | None) -> TextEncoder:
    encode = encoder(column_type, column)
    refuse = refusal(column_type, column)

    def encode_text(text: str) -> Scalar:
        value = _load(text, refuse)
        return "null" if value is None else encode(value)

    return encode_text


def _load(text: str, refuse: Refuse) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise refuse(text) from None


def _array_text_encoder(column_type: ColumnType, column: str | None) -> TextEncoder:
    if column_type.base is None:
        raise Conflict(f'Unsupported type "{column_type.typename}"', column=column)
    encode = encoder(column_type, column)
    element = text_encoder(column_type.base, column)
    embedded = family(column_type.base) is Family.JSON
    refuse = refusal(column_type, column)

    def encode_text(text: str) -> Scalar:
        cleaned = text.strip()
        if cleaned[:1] == "[":
            return encode(_load(cleaned, refuse))
        items = _split_array(cleaned)
        if items is None:
            raise refuse(text)
        values = [None if item is None else element(item) for item in items]
        if embedded:
            values = [json.loads(value) if isinstance(value, str) else None for value in values]
        return encode(values)

    return encode_text


def _split_array(text: str) -> list[str | None] | None:
    """The elements of ``{a,"b c",NULL}``; None when the text is not of that form."""
    if len(text) < 2 or text[0] != "{" or text[-1] != "}":
        return None
    body = text[1:-1]
    if not body.strip():
        return []
    items: list[str | None] = []
    position = 0
    while True:
        found = _next_element(body, position)
        if found is None:
            return None
        item, position = found
        items.append(item)
        if position == len(body):
            return items
        position += 1  # the comma


def _next_element(body: str, position: int) -> tuple[str | None, int] | None:
    """One element and where it ends: at a comma or at the end of `body`."""
    characters: list[str] = []
    quoted = in_quotes = escaped = False
    while position < len(body):
        c = body[position]
        if c == "\\":
            position += 1
            if position == len(body):
                return None
            characters.append(body[position])
            escaped = True
        elif c == '"':
            quoted, in_quotes = True, not in_quotes
        elif in_quotes:
            characters.append(c)
        elif c == ",":
            break
        elif c in "{}":
            return None
        else:
            characters.append(c)
        position += 1
    if in_quotes:
        return None
    item = "".join(characters)
    if quoted:
        return item, position
    item = item.strip()
    if not item:
        return None
    return (None if item.upper() == "NULL" and not escaped else item), position


# --- the other way -----------------------------------------------------------------------


def array_text(elements: Iterable[Any]) -> str:
    """JSON values in the form ``{a,"b c",NULL}``."""
    return "{" + ",".join(map(_element_text, elements)) + "}"


def _element_text(element: Any) -> str:
    if element is None:
        return "NULL"
    if isinstance(element, bool):
        return "t" if element else "f"
    if isinstance(element, (int, float)):
        return repr(element)
    if not isinstance(element, str):
        element = json.dumps(element, ensure_ascii=False, separators=(",", ":"))
    if _PLAIN_ELEMENT.fullmatch(element) and element.upper() != "NULL":
        return str(element)
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
