"""How a catalog, or a part of one, is to be cloned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from deriva_catalog.bag import LoadPolicy
from deriva_catalog.model.elements import Model
from deriva_ml.core.arguments import words
from deriva_ml.core.exceptions import DerivaMLTableNotFound, DerivaMLValidationError, translated

__all__ = ["AssetMode", "ClonePolicy", "OrphanStrategy"]


class AssetMode(StrEnum):
    """What happens to the files of asset rows."""

    ROWS_ONLY = "rows_only"
    """They stay where they are, and the URLs say where that is."""
    UPLOAD_IF_MISSING = "upload_if_missing"
    """Those that the new catalog's store does not have are brought along."""
    UPLOAD_FORCE = "upload_force"
    """All are brought along."""


class OrphanStrategy(StrEnum):
    """What happens to rows that refer to a row that is not cloned."""

    FAIL = "fail"
    """Nothing is cloned; the error lists the rows."""
    DELETE = "delete"
    """They are left out, and so is what refers to them."""
    NULLIFY = "nullify"
    """Their references are cleared."""


_FILES: dict[AssetMode, Literal["rows", "missing", "all"]] = {
    AssetMode.ROWS_ONLY: "rows",
    AssetMode.UPLOAD_IF_MISSING: "missing",
    AssetMode.UPLOAD_FORCE: "all",
}
_DANGLING: dict[OrphanStrategy, Literal["refuse", "delete", "clear"]] = {
    OrphanStrategy.FAIL: "refuse",
    OrphanStrategy.DELETE: "delete",
    OrphanStrategy.NULLIFY: "clear",
}


@dataclass(frozen=True, slots=True)
class ClonePolicy:
    """What is cloned, and what happens where the two catalogs differ.

    Attributes:
        asset_mode: What happens to files.
        orphan_strategy: What happens to rows that refer to one that is not cloned.
        vocabularies: Terms that both have: ``merge``, ``refuse`` or ``replace`` (see
            `deriva_catalog.bag.LoadPolicy`).
        existing: Rows that both have with different content: ``refuse``, ``keep`` or ``replace``.
        rids: ``keep`` the row identifiers, or give the rows ``fresh`` ones.
        system_columns: ``keep`` who made rows and when, or ``fresh``: you, now.
        include_tables: Tables of which every row is cloned, beside what the anchors lead to.
        exclude_schemas: Schemas that are left out.
        exclude_objects: Tables that are left out, as ``Table`` or ``schema:Table``.
        copy_annotations: Whether tables that are made get the annotations of the original.
        copy_policy: Whether they get its access control lists.
        add_ml_schema: Whether the ML schema is completed with the terms and rows that every ML
            schema has.
    """

    asset_mode: AssetMode = AssetMode.ROWS_ONLY
    orphan_strategy: OrphanStrategy = OrphanStrategy.DELETE
    vocabularies: Literal["merge", "refuse", "replace"] = "merge"
    existing: Literal["refuse", "keep", "replace"] = "refuse"
    rids: Literal["keep", "fresh"] = "keep"
    system_columns: Literal["keep", "fresh"] = "keep"
    include_tables: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    exclude_objects: tuple[str, ...] = ()
    copy_annotations: bool = True
    copy_policy: bool = False
    add_ml_schema: bool = True

    def __post_init__(self) -> None:
        for name, kind in (("asset_mode", AssetMode), ("orphan_strategy", OrphanStrategy)):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError as error:
                known = ", ".join(each.value for each in kind)
                raise DerivaMLValidationError(
                    f"{name} is one of {known}, not {getattr(self, name)!r}."
                ) from error
        for name in ("include_tables", "exclude_schemas", "exclude_objects"):
            object.__setattr__(self, name, tuple(words(getattr(self, name), name)))

    def load_policy(self, model: Model) -> LoadPolicy:
        """The same, as `load_bag` takes it, for a bag of a catalog with that model.

        Raises:
            DerivaMLTableNotFound: A table to leave out does not exist.
            DerivaMLValidationError: A word means nothing.
        """
        with translated():
            return LoadPolicy(
                rids=self.rids,
                system_columns=self.system_columns,
                existing=self.existing,
                vocabularies=self.vocabularies,
                dangling=_DANGLING[self.orphan_strategy],
                files=_FILES[self.asset_mode],
                annotations=self.copy_annotations,
                access=self.copy_policy,
                exclude_schemas=frozenset(self.exclude_schemas),
                exclude_tables=frozenset(tables_named(model, self.exclude_objects)),
            )


def tables_named(model: Model, names: Iterable[str]) -> list[tuple[str, str]]:
    """The tables that names mean: ``Table`` in any schema, or ``schema:Table``.

    Raises:
        DerivaMLTableNotFound: There is none of that name.
    """
    found: list[tuple[str, str]] = []
    for name in names:
        schema, _, table = name.rpartition(":")
        keys = [
            (t.schema, t.name)
            for t in model.tables()
            if t.name == table and schema in ("", t.schema)
        ]
        if not keys:
            raise DerivaMLTableNotFound(name, f"There is no table {name!r} in the catalog.")
        found += keys
    return found
