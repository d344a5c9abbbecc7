"""Whether the ML schema of a catalog is the one that this release works with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deriva_catalog.interface import Catalog
from deriva_catalog.model.elements import Model
from deriva_ml.core.constants import ML_SCHEMA
from deriva_ml.core.exceptions import DerivaMLSchemaError, translated
from deriva_ml.core.schema_diff import SchemaDiff, compare_schemas

from .create import catalog_of, create_ml_schema, known_words
from .terms import SEEDED_TERMS

__all__ = ["SchemaReport", "check_ml_schema"]


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """How the ML schema of a catalog differs from that of this release.

    Attributes:
        differences: ``removed``: what the catalog lacks. ``added``: what it has beyond, which
            disturbs nothing.
        missing_terms: Terms that the catalog lacks, as ``Vocabulary: term``.
    """

    differences: SchemaDiff
    missing_terms: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the catalog has all that this release works with."""
        lacking = self.differences
        return not (
            self.missing_terms
            or lacking.removed_schemas
            or lacking.removed_tables
            or lacking.removed_columns
            or lacking.removed_fkeys
            or lacking.column_type_changes
        )

    def render(self) -> str:
        """The differences as lines: ``-`` for what the catalog lacks, ``+`` for what it adds."""
        terms = [f"- term {name}" for name in self.missing_terms]
        if self.differences.is_empty() and terms:
            return "\n".join(terms)
        return "\n".join([self.differences.render(), *terms])

    def __str__(self) -> str:
        return self.render()


@translated()
def check_ml_schema(catalog: Catalog | Any, ml_schema: str = ML_SCHEMA) -> SchemaReport:
    """Compare the ML schema of a catalog with the one that this release creates.

    Tables, columns with their types, foreign keys and terms are compared; comments, annotations
    and rights are the catalog's own affair. Nothing is changed.

    Args:
        catalog: The catalog, or what belongs to one: a `DerivaML` or its model.
        ml_schema: Name of the ML schema.

    Raises:
        DerivaMLSchemaError: The catalog has no such schema.
    """
    live = catalog_of(catalog)
    if ml_schema not in live.model.schemas:
        raise DerivaMLSchemaError(
            f"Catalog {live.id!r} has no schema {ml_schema!r}; it has "
            f"{', '.join(sorted(live.model.schemas))}. Name its ML schema, or create one with "
            "create_ml_schema()."
        )
    differences = compare_schemas(
        _only(_standard(ml_schema), ml_schema), _only(live.model, ml_schema)
    )
    return SchemaReport(differences, tuple(_missing_terms(live, ml_schema)))


def _standard(ml_schema: str) -> Model:
    """The model of a catalog that has nothing but the ML schema: one is made, and thrown away."""
    from deriva_catalog.catalog import create_catalog

    with tempfile.TemporaryDirectory() as place:
        made = create_catalog(
            str(Path(place) / "standard"), prepare=lambda fresh: create_ml_schema(fresh, ml_schema)
        )
        try:
            return made.model
        finally:
            made.close()


def _only(model: Model, schema: str) -> Model:
    return replace(model, schemas={schema: model.schemas[schema]})


def _missing_terms(catalog: Catalog, ml_schema: str) -> list[str]:
    tables = catalog.model.schemas[ml_schema].tables
    return [
        f"{vocabulary}: {term}"
        for vocabulary, terms in SEEDED_TERMS.items()
        if vocabulary in tables and terms
        for term in sorted(terms.keys() - known_words(catalog, tables[vocabulary]))
    ]
