"""The features of a catalog: defining them, finding them, reading and writing their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deriva_catalog.errors import ForeignKeyViolation, NotNullViolation, UniqueViolation
from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import Filter
from deriva_ml.core.arguments import check_count, check_text
from deriva_ml.core.chaise import refresh_menu
from deriva_ml.core.definitions import ColumnDefinition, MLVocab
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLMaterializeLimitExceeded,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.query import any_of, attributes, equals, link, name_of, path_of
from deriva_ml.core.rids import check_rids
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies

from .definition import Feature, find_features, lookup_feature
from .document import FeatureParts, feature_document
from .record import FeatureRecord, Selector, read_records, reduce_with_selector

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Features"]


class Features:
    """The features of a catalog, or of one snapshot of it, or of a bag."""

    def __init__(self, session: Session, vocabularies: Vocabularies) -> None:
        self._session = session
        self._vocabularies = vocabularies

    # --- finding ---------------------------------------------------------------------

    @translated()
    def find(self, table: str | Table | None = None) -> list[Feature]:
        """The features of one table, or of every table.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        target = None if table is None else self._session.table(table)
        return list(find_features(self._session.model, target))

    @translated()
    def lookup(self, table: str | Table, feature_name: str) -> Feature:
        """One feature.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLFeatureNotFound: The table has no such feature; near names are suggested.
        """
        return lookup_feature(self._session.model, self._session.table(table), feature_name)

    def record_class(self, table: str | Table, feature_name: str) -> type[FeatureRecord]:
        """The class of a feature's records."""
        return self.lookup(table, feature_name).feature_record_class()

    # --- defining --------------------------------------------------------------------

    @translated()
    def create(
        self,
        target_table: str | Table,
        feature_name: str,
        terms: Iterable[str | Table] | None = None,
        assets: Iterable[str | Table] | None = None,
        metadata: Iterable[ColumnDefinition | Mapping[str, Any] | str | Table] | None = None,
        optional: Iterable[str] | None = None,
        comment: str = "",
        update_navbar: bool = True,
    ) -> type[FeatureRecord]:
        """Create a feature: its name, and the table of its values.

        Args:
            target_table: The table whose rows the values are about.
            feature_name: Becomes a term of `Feature_Name`.
            terms: Vocabularies that the values are terms of; a column for each.
            assets: Asset tables that the values are files of; a column for each.
            metadata: Further columns, or tables to refer to.
            optional: Names of columns that may be left empty.
            comment: What the feature means.
            update_navbar: Bring the menu of the web pages up to date, if there is one.

        Returns:
            The class of the feature's records.

        Raises:
            DerivaMLTableNotFound: One of the tables does not exist.
            DerivaMLTableTypeError: One of `terms` is no vocabulary, or of `assets` no asset table.
            DerivaMLValidationError: The feature exists, has no columns, has a column twice, or
                `optional` names none of its columns.
        """
        model = self._session.model
        target = self._session.table(target_table)
        parts = FeatureParts(
            terms=tuple(model.vocabulary(t) for t in _listed(terms, "terms")),
            assets=tuple(model.asset(t) for t in _listed(assets, "assets")),
            metadata=tuple(
                self._session.table(m) if isinstance(m, str | Table) else m for m in metadata or ()
            ),
            optional=frozenset(_listed(optional, "optional")),
        )
        if any(f.feature_name == feature_name for f in find_features(model, target)):
            raise DerivaMLValidationError(
                f"Table {target.name!r} has a feature {feature_name!r} already; lookup_feature() "
                "gives it, delete_feature() removes it."
            )
        document = feature_document(model, target, feature_name, parts, comment)
        with self._session.transaction():
            self._vocabularies.add_term(MLVocab.feature_name, feature_name, comment)
            self._session.catalog.create_table(model.schema_for(None), document)
            if update_navbar:
                refresh_menu(self._session)
        return self.record_class(target, feature_name)

    @translated()
    def delete(self, table: str | Table, feature_name: str) -> bool:
        """Drop a feature with its values; False when the table has no such feature.

        The name goes too, unless another table has a feature of that name.
        """
        target = self._session.table(table)
        features = {f.feature_name: f for f in find_features(self._session.model, target)}
        feature = features.get(feature_name)
        if feature is None:
            return False
        from deriva_catalog.interface import Address

        with self._session.transaction():
            values = feature.feature_table
            self._session.catalog.drop(Address(schema=values.schema, table=values.name))
            used = {f.feature_name for f in find_features(self._session.model)}
            if feature_name not in used:
                self._vocabularies.delete_term(MLVocab.feature_name, feature_name)
        return True

    # --- values ----------------------------------------------------------------------

    @translated()
    def values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
        *,
        among: Iterable[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature, in the order of their rows.

        Args:
            table: The table that the values are about.
            feature_name: The feature.
            selector: Chooses one record for each row (and qualifiers); None keeps all.
            materialize_limit: The most rows that may be read.
            execution_rids: Only values that these executions made; an empty list gives none.
            among: Only the values that are these rows of the feature's table.

        Raises:
            DerivaMLFeatureNotFound: There is no such feature.
            DerivaMLMaterializeLimitExceeded: There are more rows than allowed; none was read.
        """
        feature = self.lookup(table, feature_name)
        filters = _filters(execution_rids)
        if filters is None:
            return []
        made = feature.feature_record_class()
        rows = self._rows(feature, filters, materialize_limit, list(made.model_fields), among)
        records = read_records(made, rows)
        if selector is None:
            return records
        qualifiers = feature.qualifier_columns
        return list(reduce_with_selector(records, feature.target_column, selector, qualifiers))

    @translated()
    def frame(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
        *,
        among: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Values of a feature as a frame: a row for each record that `values` gives.

        The arguments and what is raised are those of `values`. Columns are the fields of the
        records, typed by the model. Without a selector no records are made.
        """
        from deriva_catalog.path.frames import Output, frame_of

        feature = self.lookup(table, feature_name)
        names = list(feature.feature_record_class().model_fields)
        if selector is not None:
            chosen = self.values(
                feature.target_table,
                feature_name,
                selector,
                materialize_limit,
                execution_rids,
                among=among,
            )
            rows = [r.model_dump(mode="json") for r in chosen]
        else:
            filters = _filters(execution_rids)
            rows = []
            if filters is not None:
                rows = self._rows(feature, filters, materialize_limit, names, among)
        columns = feature.feature_table.by_name
        return frame_of(
            [[row[name] for row in rows] for name in names],
            [Output(name, columns[name].type) for name in names],
        )

    def _rows(
        self,
        feature: Feature,
        filters: list[Filter],
        limit: int | None,
        columns: list[str],
        among: Iterable[str] | None,
    ) -> list[Row]:
        """Columns of the rows of a feature's table, in the order of their RIDs."""
        values = feature.feature_table
        if among is not None:
            rids = check_rids(among)
            if not rids:
                return []
            filters = [*filters, any_of("RID", rids)]
        check_count(limit, "materialize_limit")
        if limit is not None:
            count = self._session.catalog.count(path_of(values, *filters))
            if count > limit:
                raise DerivaMLMaterializeLimitExceeded(count, limit)
        query = attributes(values, ("RID", *columns), *filters, sort=("RID",))
        rows = self._session.fetch(query)
        for row in rows:
            del row["RID"]  # it was needed for the order
        return rows

    @translated()
    def insert_values(self, feature: Feature, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows of a feature's table, all of them in one statement.

        Args:
            feature: The feature.
            rows: Its columns by name; `Execution` and the target are needed, `Feature_Name` is
                filled in. Values are in JSON form, as `FeatureRecord.to_row` gives them.

        Raises:
            DerivaMLDataError: A value refers to nothing, is missing, or an execution gives a
                second value about one row; nothing was inserted.
        """
        if not rows:
            return 0
        full = [{**row, "Feature_Name": feature.feature_name} for row in rows]
        self._session.require_writable()
        try:
            table = name_of(feature.feature_table)
            self._session.catalog.insert(table, full, returning=False)
        except UniqueViolation as error:
            raise DerivaMLDataError(
                f"An execution gives one value of feature {str(feature)!r} for each row of "
                f"{feature.target_table.name!r}, but there are two for the same one. {error}"
            ) from error
        except (ForeignKeyViolation, NotNullViolation) as error:
            raise DerivaMLDataError(
                f"Values of feature {str(feature)!r} do not fit the catalog: {error}"
            ) from error
        return len(full)

    # --- executions ------------------------------------------------------------------

    @translated()
    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow, given by its RID or by a workflow type.

        Raises:
            DerivaMLValidationError: There is neither such a workflow nor executions of that type.
        """
        executions = self._session.ml("Execution")
        mine = equals("Workflow", check_text(workflow, "workflow"))
        rows = self._session.fetch(attributes(executions, ("RID",), mine, sort=("RID",)))
        if not rows:
            typed = self._session.ml("Workflow_Workflow_Type")
            steps = (
                equals("Workflow_Type", workflow),
                link("Workflow", executions, "Workflow"),
            )
            rows = self._session.fetch(attributes(typed, ("RID",), *steps, sort=("RID",)))
        if not rows:
            raise DerivaMLValidationError(
                f"No execution belongs to a workflow {workflow!r}, nor to a workflow of that type."
            )
        return list(dict.fromkeys(row["RID"] for row in rows))


def _filters(execution_rids: Sequence[str] | None) -> list[Filter] | None:
    """What only lets the values of some executions pass; None: nothing passes."""
    if execution_rids is None:
        return []
    rids = check_rids(execution_rids)
    return [any_of("Execution", rids)] if rids else None


def _listed(values: Iterable[Any] | None, name: str) -> list[Any]:
    if isinstance(values, str):
        raise DerivaMLValidationError(f"{name} is a list, as in {name}=[{values!r}].")
    return list(values or ())
