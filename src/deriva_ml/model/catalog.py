"""What DerivaML knows about the tables of a catalog: vocabularies, assets, associations.

`DerivaModel` reads the catalog's model anew at each question (which is cheap while nothing
changed), so it needs no refreshing after a table was made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Catalog
from deriva_catalog.model.documents import read_model
from deriva_catalog.model.elements import SYSTEM_COLUMNS, Column, ForeignKey, Model, Schema, Table
from deriva_ml.core.catalog_stub import CatalogStub
from deriva_ml.core.constants import STRICT_PREALLOCATED_RID
from deriva_ml.core.definitions import ML_SCHEMA, SYSTEM_SCHEMAS
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLSchemaError,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    translated,
)
from deriva_ml.core.query import attributes, equals

from .annotation_builders import TAG_CHAISE_CONFIG
from .associations import Association, association_of, find_association

if TYPE_CHECKING:
    from deriva_ml.feature.definition import Feature

VOCABULARY_COLUMNS = ("Name", "URI", "Synonyms", "Description", "ID")
ASSET_COLUMNS = ("URL", "Filename", "Length", "MD5", "Description")
HIDDEN_SCHEMAS = frozenset({"_acl_admin"})


class DerivaModel:
    """The tables of a catalog as DerivaML sees them.

    Args:
        catalog: Where the model comes from: a live catalog, a snapshot or a bag.
        ml_schema: Name of the schema that holds datasets, executions and workflows.
        domain_schemas: Schemas of the user's tables; None means every schema that is neither
            the ML schema nor one of the system's own, also those made later.
        default_schema: Where new tables go; None means the only domain schema.

    Raises:
        DerivaMLConfigurationError: A schema that was asked for is not in the catalog.
    """

    def __init__(
        self,
        catalog: Catalog,
        ml_schema: str = ML_SCHEMA,
        domain_schemas: Iterable[str] | None = None,
        default_schema: str | None = None,
    ) -> None:
        self._catalog = catalog
        self.ml_schema = ml_schema
        self._domain = None if domain_schemas is None else frozenset(domain_schemas)
        self._default = default_schema
        # What was is what it was: only a live catalog has to be asked again.
        self._fixed = catalog.model if catalog.snaptime is not None else None
        self._check_schemas()

    def _check_schemas(self) -> None:
        present = set(self.model.schemas)
        if self.ml_schema not in present:
            raise DerivaMLSchemaError(
                f"Catalog {self._catalog.id!r} has no schema {self.ml_schema!r}; it has "
                f"{sorted(present)}. Create one with create_ml_catalog() or create_ml_schema()."
            )
        asked = set(self._domain or ()) | ({self._default} if self._default else set())
        if missing := sorted(asked - present):
            raise DerivaMLConfigurationError(
                f"Catalog {self._catalog.id!r} has no domain schema {missing}; it has "
                f"{sorted(s for s in present if self.is_domain_schema(s))}."
            )

    # --- schemas ---------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The catalog's model as it is now; one tiny query unless this is a snapshot."""
        return self._catalog.model if self._fixed is None else self._fixed

    @property
    def schemas(self) -> Mapping[str, Schema]:
        """The catalog's schemas by name."""
        return self.model.schemas

    @property
    def domain_schemas(self) -> frozenset[str]:
        """Names of the schemas that hold the user's tables."""
        return self._domain_among(self.schemas if self._domain is None else ())

    def _domain_among(self, schemas: Iterable[str]) -> frozenset[str]:
        if self._domain is not None:
            return self._domain
        return frozenset(s for s in schemas if self.is_domain_schema(s))

    @property
    def default_schema(self) -> str | None:
        """The schema that new tables go to; None when there are several to choose from."""
        if self._default is not None:
            return self._default
        domain = self.domain_schemas
        return next(iter(domain)) if len(domain) == 1 else None

    def schema_for(self, schema: str | None) -> str:
        """The schema that a new table goes to: the one given, or the default one.

        Raises:
            DerivaMLConfigurationError: None is given and there is no default, or the catalog
                has no schema of that name.
        """
        chosen = schema or self.default_schema
        if chosen is None:
            raise DerivaMLConfigurationError(
                f"Catalog {self._catalog.id!r} has the domain schemas "
                f"{sorted(self.domain_schemas)}: say which one is meant (schema=...), or connect "
                "with default_schema=..."
            )
        if chosen not in self.schemas:
            raise DerivaMLConfigurationError(
                f"Catalog {self._catalog.id!r} has no schema {chosen!r}; it has "
                f"{sorted(self.schemas)}."
            )
        return chosen

    def is_system_schema(self, schema: str) -> bool:
        """Whether the schema belongs to the catalog itself or is the ML schema."""
        return schema in SYSTEM_SCHEMAS or schema in HIDDEN_SCHEMAS or schema == self.ml_schema

    def is_domain_schema(self, schema: str) -> bool:
        """Whether the schema holds tables of the user."""
        if self._domain is not None:
            return schema in self._domain
        return not self.is_system_schema(schema)

    # --- tables ----------------------------------------------------------------------

    def tables(self) -> Iterator[Table]:
        """Tables of the domain schemas (sorted), then of the ML schema."""
        schemas = self.schemas
        for schema in (*sorted(self.domain_schemas), self.ml_schema):
            tables = schemas[schema].tables
            for name in sorted(tables):
                yield tables[name]

    def name_to_table(self, table: str | Table) -> Table:
        """The table of that name: in the domain schemas (sorted), the ML schema, then ``WWW``.

        Args:
            table: A bare name, ``schema:Table``, or a table (which is looked up again, so that
                the answer is current).

        Raises:
            DerivaMLTableNotFound: There is none; near names are suggested.
        """
        known = self.schemas  # asked once: each time it is a query
        if isinstance(table, Table):
            schemas: tuple[str, ...] = (table.schema,)
            name = table.name
        elif not isinstance(table, str):
            raise DerivaMLTableNotFound(
                repr(table), f"A table is given by its name, not by {type(table).__name__}."
            )
        else:
            schemas, name = self._search(table, known)
        for schema in schemas:
            if schema in known and name in known[schema].tables:
                return known[schema].tables[name]
        near = difflib.get_close_matches(name, {t.name for t in self.tables()})
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "No name is close."
        raise DerivaMLTableNotFound(
            name, f"There is no table {name!r} in the schemas {list(schemas)}. {hint}"
        )

    def _search(self, name: str, known: Mapping[str, Schema]) -> tuple[tuple[str, ...], str]:
        schema, colon, bare = name.partition(":")
        if colon and schema in known:
            return (schema,), bare
        return (*sorted(self._domain_among(known)), self.ml_schema, "WWW"), name

    def ml_table(self, name: str) -> Table:
        """A table of the ML schema.

        Raises:
            DerivaMLSchemaError: The ML schema lacks it.
        """
        table = self.schemas[self.ml_schema].tables.get(name)
        if table is None:
            raise DerivaMLSchemaError(
                f"The schema {self.ml_schema!r} of catalog {self._catalog.id!r} has no table "
                f"{name!r}; it was not made by create_ml_schema()."
            )
        return table

    # --- kinds of tables -------------------------------------------------------------

    def is_vocabulary(self, table: str | Table) -> bool:
        """Whether the table has the columns of a vocabulary (letter case ignored)."""
        present = {c.lower() for c in self._given(table).by_name}
        return all(c.lower() in present for c in VOCABULARY_COLUMNS)

    def is_asset(self, table: str | Table) -> bool:
        """Whether the table describes files."""
        present = self._given(table).by_name
        return all(c in present for c in ASSET_COLUMNS)

    def _given(self, table: str | Table) -> Table:
        """The table itself, or the one of that name."""
        return table if isinstance(table, Table) else self.name_to_table(table)

    def vocabulary(self, table: str | Table) -> Table:
        """The table, which must be a vocabulary.

        Raises:
            DerivaMLTableTypeError: It is another kind of table.
        """
        found = self.name_to_table(table)
        if not self.is_vocabulary(found):
            raise DerivaMLTableTypeError("vocabulary", found.name)
        return found

    def asset(self, table: str | Table) -> Table:
        """The table, which must be an asset table.

        Raises:
            DerivaMLTableTypeError: It is another kind of table.
        """
        found = self.name_to_table(table)
        if not self.is_asset(found):
            raise DerivaMLTableTypeError("asset table", found.name)
        return found

    def vocab_columns(self, table: str | Table) -> dict[str, str]:
        """The vocabulary's own names of its columns, by their standard names."""
        present = {c.lower(): c for c in self.vocabulary(table).by_name}
        return {c: present[c.lower()] for c in VOCABULARY_COLUMNS}

    def find_vocabularies(self) -> list[Table]:
        """Every vocabulary, domain schemas first."""
        return [t for t in self.tables() if self.is_vocabulary(t)]

    def find_assets(self) -> list[Table]:
        """Every asset table, domain schemas first."""
        return [t for t in self.tables() if self.is_asset(t)]

    def asset_metadata(self, table: str | Table) -> set[str]:
        """Names of the columns that an asset table has beyond those of every asset table."""
        standard = {*ASSET_COLUMNS, *SYSTEM_COLUMNS}
        return {c for c in self.asset(table).by_name if c not in standard}

    def asset_metadata_sorted(self, table: str | Table) -> list[str]:
        """The metadata columns of an asset table in alphabetical order."""
        return sorted(self.asset_metadata(table))

    def is_strict_preallocated_rid(self, table: str | Table) -> bool:
        """Whether files of an asset table are inserted only under RIDs that were leased before.

        Raises:
            DerivaMLTableTypeError: It is not an asset table.
        """
        return bool(self.asset(table).annotations.get(STRICT_PREALLOCATED_RID))

    def asset_metadata_columns(self, table: str | Table) -> list[Column]:
        """The metadata columns of an asset table, in its order."""
        names = self.asset_metadata(table)
        return [c for c in self.asset(table).columns if c.name in names]

    # --- associations ----------------------------------------------------------------

    def association(self, table: str | Table) -> Association | None:
        """How the table associates others; None when it does not."""
        return association_of(self._given(table))

    def is_association(
        self,
        table: str | Table,
        unqualified: bool = True,
        pure: bool = True,
        min_arity: int = 2,
        max_arity: int | None = 2,
    ) -> bool:
        """Whether the table links others.

        Args:
            table: The table in question.
            unqualified: Only foreign keys may make up its key.
            pure: It has no columns but those of the links.
            min_arity: The fewest tables that it may link.
            max_arity: The most; None means any number.
        """
        found = association_of(self._given(table))
        if found is None or (unqualified and found.qualifiers) or (pure and found.metadata):
            return False
        arity = len(found.links)
        return min_arity <= arity and (max_arity is None or arity <= max_arity)

    def find_association(self, table1: str | Table, table2: str | Table) -> tuple[Table, str, str]:
        """The table that links two others, with the columns that refer to the one and the other.

        Raises:
            NoAssociationException: There is none.
            AmbiguousAssociationException: There are several.
        """
        first, second = self.name_to_table(table1), self.name_to_table(table2)
        return find_association(self.model, first, second)

    def find_features(self, table: str | Table | None = None) -> list[Any]:
        """The features of one table or of every table (see `deriva_ml.feature`)."""
        from deriva_ml.feature.definition import find_features

        return list(find_features(self, None if table is None else self.name_to_table(table)))

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """The feature of that name.

        Raises:
            DerivaMLFeatureNotFound: The table has no such feature; near names are suggested.
        """
        from deriva_ml.feature.definition import lookup_feature

        return lookup_feature(self, self.name_to_table(table), feature_name)

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows can be members of datasets."""
        from deriva_ml.dataset.elements import element_types

        return [e.table for e in element_types(self).values()]

    def find_asset_execution_tables(self) -> list[Table]:
        """The tables that say which executions read or made the assets of a table."""
        found = (self.asset_execution_table(t) for t in self.find_assets())
        return [t for t in found if t is not None]

    def asset_execution_table(self, asset: Table) -> Table | None:
        """The association of an asset table with executions; None when it has none."""
        return self.schemas[asset.schema].tables.get(f"{asset.name}_Execution")

    def asset_type_table(self, asset: Table) -> Table | None:
        """The association of an asset table with asset types; None when it has none."""
        return self.schemas[asset.schema].tables.get(f"{asset.name}_Asset_Type")

    # --- the catalog -----------------------------------------------------------------

    @classmethod
    def from_cached(
        cls,
        schema_dict: Mapping[str, Any],
        *,
        catalog: Any = None,
        ml_schema: str = ML_SCHEMA,
        domain_schemas: Iterable[str] | None = None,
        default_schema: str | None = None,
    ) -> DerivaModel:
        """The tables as a document of a schema has them, such as `SchemaCache` keeps it.

        Args:
            schema_dict: The document.
            catalog: The catalog that it is of; None for none.
            ml_schema: See the class.
            domain_schemas: See the class.
            default_schema: See the class.

        Raises:
            DerivaMLValidationError: It is no such document.
        """
        with translated():
            model = read_model(schema_dict)
        url = "a kept schema" if catalog is None else str(catalog.url)
        stub: Any = CatalogStub("" if catalog is None else catalog.id, url, model)
        return cls(stub, ml_schema, domain_schemas, default_schema)

    def refresh_model(self) -> Model:
        """The catalog's model as it is now; it is read anew at each question in any case."""
        return self.model

    def is_dataset_rid(self, rid: str, deleted: bool = False) -> bool:
        """Whether a RID is that of a dataset; one that was deleted counts with `deleted`."""
        with translated():
            query = attributes(self.ml_table("Dataset"), ("RID", "Deleted"), equals("RID", rid))
            rows = self._catalog.fetch(query)
        return any(deleted or not row["Deleted"] for row in rows)

    def create_table(self, table_def: Any, schema: str | None = None) -> Table:
        """Create a table in a schema, or in the default one.

        Args:
            table_def: A definition with ``to_dict()``, or the table's document.
            schema: Where.
        """
        from deriva_ml.schema.definition import with_user_links

        document = table_def if isinstance(table_def, Mapping) else table_def.to_dict()
        target = self.schema_for(schema)
        with translated():
            self._catalog.create_table(target, with_user_links(dict(document)))
        return self.name_to_table(f"{target}:{document['table_name']}")

    @property
    def chaise_config(self) -> dict[str, Any]:
        """The configuration of the catalog's web pages; empty when there is none."""
        return dict(self.model.annotations.get(TAG_CHAISE_CONFIG) or {})

    # --- documents -------------------------------------------------------------------

    def get_schema_description(self, include_system_columns: bool = False) -> dict[str, Any]:
        """The tables of the domain and ML schemas in a short form made for reading."""
        schemas: dict[str, Any] = {}
        for table in self.tables():
            columns = [
                {"name": c.name, "type": c.type.typename, "nullok": c.nullok, "comment": c.comment}
                for c in table.columns
                if include_system_columns or not c.is_system
            ]
            schemas.setdefault(table.schema, {})[table.name] = {
                "comment": table.comment,
                "is_vocabulary": self.is_vocabulary(table),
                "is_asset": self.is_asset(table),
                "is_association": association_of(table) is not None,
                "columns": columns,
                "foreign_keys": [_reference(f) for f in table.foreign_keys if not _by_user(f)],
            }
        return {
            "ml_schema": self.ml_schema,
            "domain_schemas": sorted(self.domain_schemas),
            "default_schema": self.default_schema,
            "schemas": schemas,
        }


def _reference(fkey: ForeignKey) -> dict[str, Any]:
    return {
        "columns": list(fkey.columns),
        "referenced_table": f"{fkey.referenced_schema}.{fkey.referenced_table}",
        "referenced_columns": list(fkey.referenced_columns),
    }


def _by_user(fkey: ForeignKey) -> bool:
    return set(fkey.columns) <= set(SYSTEM_COLUMNS)
