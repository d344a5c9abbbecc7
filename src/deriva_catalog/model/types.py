"""Column types in one place: their names and documents, and the encoders of their values."""

from __future__ import annotations

from .literals import TextEncoder, text_encoder
from .typenames import (
    Family,
    are_comparable,
    array_of,
    bin_allowed,
    family,
    function_allowed,
    function_result,
    is_boolean,
    is_float,
    is_indexable,
    is_integer,
    is_json,
    is_numeric,
    is_searchable,
    is_serial,
    is_temporal,
    is_textlike,
    named_type,
    parse_type,
    read_type,
    type_document,
)
from .values import Encoder, Scalar, encoder

__all__ = [
    "Encoder",
    "Family",
    "Scalar",
    "TextEncoder",
    "are_comparable",
    "array_of",
    "bin_allowed",
    "encoder",
    "family",
    "function_allowed",
    "function_result",
    "is_boolean",
    "is_float",
    "is_indexable",
    "is_integer",
    "is_json",
    "is_numeric",
    "is_searchable",
    "is_serial",
    "is_temporal",
    "is_textlike",
    "named_type",
    "parse_type",
    "read_type",
    "text_encoder",
    "type_document",
]
