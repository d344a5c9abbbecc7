"""The datasets of an import: finding those that are there, writing those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deriva_catalog.model.elements import Table
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.query import any_of, attributes, equals, name_of
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies
from deriva_ml.dataset.elements import Element, element_of, element_types

from .plan import Node

__all__ = ["existing_tree", "write_tree"]

Rids = Mapping[str | int, str]
_TERMS = {
    "Directory": "The files of one directory.",
    "Split": "Holds the parts that a dataset was divided into.",
    "Training": "Data to train a model with.",
    "Testing": "Data to test a trained model with.",
    "Validation": "Data to choose between models with.",
    "Labeled": "Its elements have labels.",
}


def existing_tree(session: Session, table: Table, root: Node, rids: Rids) -> str | None:
    """RID of a dataset with exactly these members, nested datasets and descriptions.

    Cost: five queries, however many datasets there are.
    """
    known = element_types(session.model).get(table.name)
    if known is None or known.table.qualified != table.qualified:
        return None
    wanted = sorted(set(rids.values()))
    members = _members(session, known, wanted)
    nested = _nested(session, members)
    alive = _alive(session, {*members, *nested})
    found: dict[int, str] = {}
    for node in root.walk():
        inner = {found[id(each)] for each in node.nested if id(each) in found}
        if len(inner) < len(node.nested):
            return None
        mine = frozenset(rids[path] for path in node.files)
        match = next(
            (
                rid
                for rid, text in sorted(alive.items())
                if text == node.description
                and members.get(rid, frozenset()) == mine
                and nested.get(rid, frozenset()) == inner
            ),
            None,
        )
        if match is None:
            return None
        found[id(node)] = match
    return found[id(root)]


def _members(session: Session, element: Element, rids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The members of every dataset that has one of the rows."""
    dataset, member = element.dataset_column, element.member_column
    mine = session.fetch(attributes(element.association, (dataset,), any_of(member, rids)))
    candidates = sorted({row[dataset] for row in mine})
    if not candidates:
        return {}
    query = attributes(element.association, (dataset, member), any_of(dataset, candidates))
    return _grouped((row[dataset], row[member]) for row in session.fetch(query))


def _nested(session: Session, inner: Iterable[str]) -> dict[str, frozenset[str]]:
    """The nested datasets of all datasets above some, and of these themselves."""
    table, columns = session.ml("Dataset_Dataset"), ("Dataset", "Nested_Dataset")
    found: set[tuple[str, str]] = set()
    level = set(inner)
    seen: set[str] = set()
    while level - seen:
        seen |= level
        for column in columns:
            rows = session.fetch(attributes(table, columns, any_of(column, sorted(level))))
            found |= {(row["Dataset"], row["Nested_Dataset"]) for row in rows}
        level = {parent for parent, _ in found}
    return _grouped(found)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        found.setdefault(one, set()).add(other)
    return {one: frozenset(others) for one, others in found.items()}


def _alive(session: Session, rids: Iterable[str]) -> dict[str, str]:
    """The descriptions of those of the datasets that are not deleted."""
    wanted = sorted(rids)
    if not wanted:
        return {}
    steps = (any_of("RID", wanted), equals("Deleted", "false"))
    query = attributes(session.ml("Dataset"), ("RID", "Description"), *steps)
    return {row["RID"]: row["Description"] or "" for row in session.fetch(query)}


# --- writing -----------------------------------------------------------------------------


def write_tree(
    session: Session, vocabularies: Vocabularies, table: Table, root: Node, rids: Rids
) -> tuple[str, list[str]]:
    """Insert datasets, in the caller's transaction, each kind of row in one statement.

    Returns:
        RID of the outermost dataset, and of all.
    """
    nodes = list(root.walk())
    names = list(dict.fromkeys(name for node in nodes for name in node.types))
    own = [(name, _TERMS[name]) for name in names if name in _TERMS]
    vocabularies.ensure_terms(MLVocab.dataset_type, own)
    found = vocabularies.lookup_terms(MLVocab.dataset_type, names)
    terms = {name: term.name for name, term in zip(names, found, strict=True)}
    catalog = session.catalog
    rows = [{"Description": node.description, "Deleted": False} for node in nodes]
    made = [str(row["RID"]) for row in catalog.insert(name_of(session.ml("Dataset")), rows)]
    rid_of = {id(node): rid for node, rid in zip(nodes, made, strict=True)}
    element = element_of(session.model, table)

    def put(target: Table, links: list[dict[str, str]]) -> None:
        if links:
            catalog.insert(name_of(target), links, returning=False)

    pairs = list(zip(nodes, made, strict=True))
    put(
        session.ml("Dataset_Dataset_Type"),
        [
            {"Dataset": rid, "Dataset_Type": kind}
            for node, rid in pairs
            for kind in dict.fromkeys(terms[name] for name in node.types)
        ],
    )
    put(
        element.association,
        [
            {element.dataset_column: rid, element.member_column: member}
            for node, rid in pairs
            for member in dict.fromkeys(rids[path] for path in node.files)
        ],
    )
    put(
        session.ml("Dataset_Dataset"),
        [
            {"Dataset": rid, "Nested_Dataset": rid_of[id(inner)]}
            for node, rid in pairs
            for inner in node.nested
        ],
    )
    put(
        session.ml("Directory_Dataset"),
        [{"Dataset": rid, "Path": node.path} for node, rid in pairs if node.path is not None],
    )
    return rid_of[id(root)], made
