"""The text form of 64-bit identifiers: URL-safe base 32 with a pad bit, in groups of four.

A RID is the text form of a per-catalog sequence number; a snapshot time (`snaptime`) is the
text form of a signed number of microseconds.

Source: ERMrest, "Identifiers in time and space".
"""

from __future__ import annotations

import re

from .errors import BadRequest

__all__ = ["decode", "encode", "encode_range", "is_canonical", "normalize"]

_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {s: i for i, s in enumerate(_SYMBOLS)} | {"O": 0, "I": 1, "L": 1}
_LARGEST = (1 << 63) - 1
_SMALLEST = -(1 << 63)
_MASK = (1 << 64) - 1

# Most texts that are RIDs are spelled as they should be, and queries hold thousands of them.
_SPELLED_WELL = re.compile(
    r"(?!0)[0-9A-HJKMNP-TV-Z]{1,4}(?:-[0-9A-HJKMNP-TV-Z]{4}){0,2}(?<=[02468ACEGJMPRTWY])"
)

# The last two symbols of 512 successive numbers (the lowest bit of the last one is padding).
_BLOCK = 512
_TAILS = [high + low for high in _SYMBOLS for low in _SYMBOLS[::2]]


def encode(number: int) -> str:
    """The text form of a signed 64-bit integer, such as ``1TJ`` or ``3DD-EWED-7318``.

    Raises:
        BadRequest: `number` does not fit in 64 bits.
    """
    if not _SMALLEST <= number <= _LARGEST:
        raise BadRequest(f"{number} does not fit in the 64 bits of an identifier.")
    bits = (number & _MASK) << 1
    if not bits:
        return "0"
    symbols: list[str] = []
    while bits:
        if len(symbols) % 5 == 4:
            symbols.append("-")
        symbols.append(_SYMBOLS[bits & 31])
        bits >>= 5
    symbols.reverse()
    return "".join(symbols)


def encode_range(first: int, count: int) -> list[str]:
    """The text forms of `count` successive non-negative numbers, starting with `first`.

    Numbers that differ only in their lowest bits share all symbols but the last two, so a
    block of them costs one `encode` and a string addition each.

    Raises:
        BadRequest: `first` is negative or the last number does not fit in 64 bits.
    """
    if count <= 0:
        return []
    stop = first + count
    if first < 0 or stop - 1 > _LARGEST:
        raise BadRequest(f"RIDs {first} to {stop - 1} are outside 0 to {_LARGEST}.")
    texts: list[str] = []
    if first < _BLOCK:  # short numbers lose their leading zeros
        texts += [encode(number) for number in range(first, min(stop, _BLOCK))]
        first = _BLOCK
    while first < stop:
        start = first % _BLOCK
        base = first - start
        prefix = encode(base)[:-2]
        texts += [prefix + tail for tail in _TAILS[start : stop - base]]
        first = base + _BLOCK
    return texts


def decode(text: str) -> int:
    """The signed 64-bit integer that `text` stands for.

    Dashes and letter case do not matter, ``O`` reads as 0, ``I`` and ``L`` as 1; the pad bit
    is dropped.

    Raises:
        BadRequest: `text` is empty, too long or holds another symbol.
    """
    return _signed(_bits(text) >> 1)


def normalize(text: str) -> str:
    """The canonical spelling of a RID: ``1tj`` and ``1T-J`` become ``1TJ``.

    Raises:
        BadRequest: `text` is no RID. That includes an odd last symbol, which no identifier
            has: dropping its pad bit would silently turn a typing error into another RID.
    """
    if _SPELLED_WELL.fullmatch(text):
        return text
    bits = _bits(text)
    if bits & 1:
        raise BadRequest(
            f"Invalid RID {text!r}: its last symbol cannot end an identifier.",
            hint="Check the RID for a typing error.",
            rid=text,
        )
    return encode(_signed(bits >> 1))


def spellings(text: str) -> tuple[str, ...]:
    """What a given RID may be stored as: as it is, and in its canonical spelling if it has one."""
    try:
        return tuple(dict.fromkeys((text, normalize(text))))
    except BadRequest:
        return (text,)


def is_canonical(text: str) -> bool:
    """Whether `text` is spelled exactly as the catalog itself would spell it."""
    try:
        return normalize(text) == text
    except BadRequest:
        return False


def _bits(text: str) -> int:
    symbols = text.replace("-", "").upper()
    if not symbols:
        raise BadRequest(f"Invalid identifier {text!r}: it has no symbols.", rid=text)
    bits = 0
    for symbol in symbols:
        value = _VALUES.get(symbol)
        if value is None:
            raise BadRequest(
                f"Invalid identifier {text!r}: {symbol!r} is not one of its symbols.",
                hint=f"The symbols are {_SYMBOLS}.",
                rid=text,
            )
        bits = bits << 5 | value
    if bits >> 65:
        raise BadRequest(f"Invalid identifier {text!r}: longer than 64 bits.", rid=text)
    return bits


def _signed(number: int) -> int:
    return number - (1 << 64) if number > _LARGEST else number
