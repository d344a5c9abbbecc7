"""Moments of a catalog: the model, and where the rows are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..model.elements import Model, Table
from .dialect import Expressions

__all__ = ["Moment", "Reading", "Relation", "TextValues"]

Relation = Callable[[Table], sa.FromClause]
TextValues = Callable[[Sequence[str]], sa.FromClause]


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of a catalog: the model and where each table's rows are.

    `texts` makes a relation with the column ``value`` of a list of texts, `expressions` is how
    the database spells JSON and the like; `history` gives the closed versions of a table's rows,
    where there are any; `at` is the time of a snapshot, and
    `amended` its amendment version, if it has one. `source` tells where rows come from: what was
    compiled for a model and an equal source is right for this one, too. `parameters` are what
    statements about these rows need. `rids` gives the column ``RID`` alone, where that costs less
    than `relation`. `model_time` is when the live model became what it is.
    """

    model: Model
    relation: Relation
    texts: TextValues
    expressions: Expressions
    history: Relation | None = None
    at: int | None = None
    amended: int | None = None
    latest: int | None = None
    source: Hashable = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rids: Relation | None = None
    model_time: int | None = None


@dataclass(frozen=True, slots=True)
class Reading(Moment):
    """A moment, and the connection that sees it."""

    connection: sa.Connection = field(kw_only=True)
