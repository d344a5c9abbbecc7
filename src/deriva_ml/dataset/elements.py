"""Element types: the tables whose rows may be members of a dataset.

A table ``X`` is an element type when a table ``Dataset_X`` links it with datasets. Other links
between the two (made by the user for purposes of their own) do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

from deriva_catalog.model.elements import ForeignKey, Table
from deriva_ml.core.definitions import AssociationTableDef
from deriva_ml.core.exceptions import DerivaMLTableTypeError, DerivaMLValidationError, some_of
from deriva_ml.core.session import Session
from deriva_ml.model.associations import association_of
from deriva_ml.model.catalog import DerivaModel

__all__ = [
    "Element",
    "element_of",
    "element_types",
    "not_an_element",
    "register_element_type",
]


@dataclass(frozen=True)
class Element:
    """A table of members and the table that says which dataset has which.

    Attributes:
        table: The table whose rows are members.
        association: ``Dataset_<table>``.
        dataset_column: Its column that refers to the dataset.
        member_column: Its column that refers to the member.
    """

    table: Table
    association: Table
    dataset_column: str
    member_column: str

    @property
    def name(self) -> str:
        """Name of the table of members."""
        return self.table.name


def element_types(model: DerivaModel) -> dict[str, Element]:
    """The element types of a catalog by table name, in alphabetical order."""
    dataset = model.ml_table("Dataset")
    found: dict[str, Element] = {}
    for table, _ in model.model.inbound.get((dataset.schema, dataset.name), ()):
        element = _element(model, table, dataset)
        if element is not None:
            found[element.name] = element
    return dict(sorted(found.items()))


def element_of(model: DerivaModel, table: str | Table) -> Element:
    """The element type that a table is.

    Raises:
        DerivaMLTableTypeError: Its rows cannot be members of a dataset.
    """
    name = model.name_to_table(table)
    element = element_types(model).get(name.name)
    if element is None or element.table.qualified != name.qualified:
        raise not_an_element(model, name)
    return element


def register_element_type(session: Session, element: str | Table) -> Table:
    """Let the rows of a table be members of datasets (see `Datasets.add_element_type`)."""
    from deriva_ml.schema.definition import with_user_links

    model = session.model
    table = session.table(element)
    known = element_types(model).get(table.name)
    if known is not None and known.table.qualified == table.qualified:
        return known.association
    if known is not None or not model.is_domain_schema(table.schema):
        raise DerivaMLValidationError(
            f"Table {table.qualified!r} cannot become an element type: only tables of the domain "
            f"schemas {sorted(model.domain_schemas)} can, and each name only once."
        )
    document = AssociationTableDef([session.ml("Dataset"), table]).to_dict()
    with session.transaction():
        session.catalog.create_table(table.schema, with_user_links(document))
    return session.table(f"{table.schema}:{document['table_name']}")


def not_an_element(model: DerivaModel, table: Table) -> DerivaMLTableTypeError:
    """The error that says that rows of `table` cannot be members, and what to do."""
    registered = some_of(list(element_types(model)))
    return DerivaMLTableTypeError(
        "dataset element",
        table.name,
        f"Rows of table {table.qualified!r} cannot be members of a dataset: it is not an element "
        f"type. Register it with add_dataset_element_type({table.name!r}); registered are "
        f"{registered}.",
    )


def _element(model: DerivaModel, table: Table, dataset: Table) -> Element | None:
    link = association_of(table)
    if link is None or len(link.links) != 2 or link.metadata or link.qualifiers:
        return None
    ours = [f for f in link.links if _target(f) == (dataset.schema, dataset.name)]
    others = [f for f in link.links if f not in ours] or ours[1:]
    if not ours or not others:
        return None
    schema, name = _target(others[0])
    if table.name != f"Dataset_{name}" or not _may_be_member(model, schema, name):
        return None
    member = model.schemas[schema].tables[name]
    return Element(member, table, ours[0].columns[0], others[0].columns[0])


def _may_be_member(model: DerivaModel, schema: str, name: str) -> bool:
    ml_elements = {(model.ml_schema, "Dataset"), (model.ml_schema, "File")}
    return model.is_domain_schema(schema) or (schema, name) in ml_elements


def _target(fkey: ForeignKey) -> tuple[str, str]:
    return fkey.referenced_schema, fkey.referenced_table
