"""Controlled vocabularies: terms with synonyms, looked up by either."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from deriva_catalog.errors import ForeignKeyViolation
from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table

from .exceptions import (
    DerivaMLDataError,
    DerivaMLInvalidTerm,
    DerivaMLValidationError,
    some_of,
    translated,
)
from .query import entities, equals, name_of, path_of
from .session import Session

__all__ = ["Vocabularies", "VocabularyTerm", "VocabularyTermHandle"]


class VocabularyTerm:
    """A term as it was read: it can be compared and hashed, not changed.

    Build one from a row of its table, in either letter case (``Name=`` or ``name=``).
    """

    def __init__(self, **row: Any) -> None:
        values = {k.lower(): v for k, v in row.items()}
        if not isinstance(values.get("name"), str):
            raise DerivaMLValidationError(f"A term needs a name; found the columns {sorted(row)}.")
        self._name: str = values["name"]
        self._synonyms: tuple[str, ...] = tuple(values.get("synonyms") or ())
        self._description: str = values.get("description") or ""
        self._id: str | None = values.get("id")
        self._uri: str | None = values.get("uri")
        self._rid: str | None = values.get("rid")

    @property
    def name(self) -> str:
        """The term itself, which rows of other tables refer to."""
        return self._name

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Other words for it."""
        return self._synonyms

    @property
    def description(self) -> str:
        """What it means."""
        return self._description

    @property
    def id(self) -> str | None:
        """Its compact identifier, such as ``digits:1-A2``."""
        return self._id

    @property
    def uri(self) -> str | None:
        """Its identifier as a URI."""
        return self._uri

    @property
    def rid(self) -> str | None:
        """RID of its row."""
        return self._rid

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VocabularyTerm):
            return NotImplemented
        return (self._name, self._id, self._rid) == (other._name, other._id, other._rid)

    def __hash__(self) -> int:
        return hash((self._name, self._id, self._rid))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, rid={self._rid!r})"


class VocabularyTermHandle(VocabularyTerm):
    """A term that can be changed: each assignment is one change of the catalog.

    Args:
        ml: A connection (`DerivaML`) or its vocabularies.
        table: The vocabulary.
        **row: The term's row.
    """

    def __init__(self, ml: Any, table: str | Table, **row: Any) -> None:
        super().__init__(**row)
        self._vocabularies: Vocabularies = ml if isinstance(ml, Vocabularies) else ml.vocabularies
        self._table = table

    @property
    def description(self) -> str:
        """What the term means; assigning writes it to the catalog."""
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        self._vocabularies.update(self._table, self, description=value)
        self._description = value

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Other words for the term; assigning any sequence writes it to the catalog."""
        return self._synonyms

    @synonyms.setter
    def synonyms(self, value: Iterable[str]) -> None:
        words = tuple(value)
        self._vocabularies.update(self._table, self, synonyms=words)
        self._synonyms = words

    def delete(self) -> None:
        """Remove the term; refused while rows refer to it."""
        self._vocabularies.delete_term(self._table, self.name)


class Vocabularies:
    """The vocabularies of a catalog and their terms."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @translated()
    def add_term(
        self,
        table: str | Table,
        term_name: str,
        description: str = "",
        synonyms: Iterable[str] | None = None,
        exists_ok: bool = True,
    ) -> VocabularyTermHandle:
        """Add a term, or return the one of that name as it is.

        Raises:
            DerivaMLTableTypeError: The table is not a vocabulary.
            DerivaMLInvalidTerm: The name exists and `exists_ok` is false, or the name or a
                synonym already means another term.
        """
        vocabulary = self._session.model.vocabulary(table)
        words = _words(term_name, synonyms)
        with self._session.transaction():
            terms = self.list_terms(vocabulary)
            for term in terms:
                if term.name == term_name:
                    return self._existing(vocabulary, term, exists_ok)
            self._refuse_clashes(vocabulary, terms, (term_name, *words))
            row = {"Name": term_name, "Description": description or "", "Synonyms": list(words)}
            added = self._insert(vocabulary, [row])
        return VocabularyTermHandle(self, vocabulary, **added[0])

    def _existing(
        self, vocabulary: Table, term: VocabularyTermHandle, exists_ok: bool
    ) -> VocabularyTermHandle:
        if not exists_ok:
            raise DerivaMLInvalidTerm(vocabulary.name, term.name, "The term exists already.")
        return term

    @translated()
    def ensure_terms(self, table: str | Table, terms: Iterable[tuple[str, str]]) -> None:
        """Add those of the terms (name and description) that the vocabulary does not have."""
        vocabulary = self._session.model.vocabulary(table)
        wanted = dict(terms)
        with self._session.transaction():
            known = {w for t in self.list_terms(vocabulary) for w in (t.name, *t.synonyms)}
            rows = [
                {"Name": name, "Description": text, "Synonyms": []}
                for name, text in wanted.items()
                if name not in known
            ]
            if rows:
                self._insert(vocabulary, rows)

    def _insert(self, vocabulary: Table, rows: list[dict[str, Any]]) -> list[Row]:
        names = self._session.model.vocab_columns(vocabulary)
        documents = [{names[k]: v for k, v in row.items()} for row in rows]
        # The catalog fills the identifiers from the templates that are their defaults.
        return self._session.catalog.insert(
            name_of(vocabulary), documents, defaults=(names["ID"], names["URI"])
        )

    @translated()
    def lookup_term(self, table: str | Table, term_name: str) -> VocabularyTermHandle:
        """The term of that name, else the term with that synonym (letter case matters).

        Raises:
            DerivaMLTableTypeError: The table is not a vocabulary.
            DerivaMLInvalidTerm: There is none; near words are suggested.
        """
        return self.lookup_terms(table, [term_name])[0]

    @translated()
    def lookup_terms(
        self, table: str | Table, term_names: Iterable[str]
    ) -> list[VocabularyTermHandle]:
        """The terms for several words, in their order, in one query.

        Raises:
            DerivaMLInvalidTerm: One of the words is unknown.
        """
        vocabulary = self._session.model.vocabulary(table)
        wanted = list(term_names)
        if not wanted:
            return []
        by_word: dict[str, VocabularyTermHandle] = {}
        terms = self.list_terms(vocabulary)
        for term in terms:
            for word in term.synonyms:
                by_word.setdefault(word, term)
        by_word.update({t.name: t for t in terms})
        for word in wanted:
            if word not in by_word:
                raise DerivaMLInvalidTerm(vocabulary.name, str(word), _unknown(word, by_word))
        return [by_word[word] for word in wanted]

    @translated()
    def list_terms(self, table: str | Table) -> list[VocabularyTermHandle]:
        """Every term of a vocabulary, in alphabetical order.

        Raises:
            DerivaMLTableTypeError: The table is not a vocabulary.
        """
        vocabulary = self._session.model.vocabulary(table)
        names = self._session.model.vocab_columns(vocabulary)
        rows = self._session.fetch(entities(vocabulary, sort=(names["Name"],)))
        return [VocabularyTermHandle(self, vocabulary, **row) for row in rows]

    @translated()
    def update(
        self,
        table: str | Table,
        term: VocabularyTerm,
        *,
        description: str | None = None,
        synonyms: tuple[str, ...] | None = None,
    ) -> None:
        """Change the description or the synonyms of a term.

        Raises:
            DerivaMLInvalidTerm: The term is gone, or a synonym already means another term.
        """
        vocabulary = self._session.model.vocabulary(table)
        names = self._session.model.vocab_columns(vocabulary)
        changes: dict[str, Any] = {}
        if description is not None:
            changes[names["Description"]] = description
        with self._session.transaction():
            if synonyms is not None:
                words = _words(term.name, synonyms)
                others = [t for t in self.list_terms(vocabulary) if t.name != term.name]
                self._refuse_clashes(vocabulary, others, words)
                changes[names["Synonyms"]] = list(words)
            changed = self._session.catalog.update(
                name_of(vocabulary), [{"RID": term.rid, **changes}], targets=list(changes)
            )
            if not changed:
                raise DerivaMLInvalidTerm(vocabulary.name, term.name, "The term was deleted.")

    @translated()
    def delete_term(self, table: str | Table, term_name: str) -> None:
        """Remove a term (found by its name or a synonym).

        Raises:
            DerivaMLInvalidTerm: There is no such term.
            DerivaMLDataError: Rows refer to it; the message names their tables.
        """
        vocabulary = self._session.model.vocabulary(table)
        with self._session.transaction():
            term = self.lookup_term(vocabulary, term_name)
            self._refuse_used(vocabulary, term)
            path = path_of(vocabulary, equals("RID", str(term.rid)))
            try:
                self._session.catalog.delete(path)
            except ForeignKeyViolation as error:
                raise DerivaMLDataError(
                    f"Term {term.name!r} of {vocabulary.name!r} is in use: {error}"
                ) from error

    def _refuse_used(self, vocabulary: Table, term: VocabularyTerm) -> None:
        used = []
        inbound = self._session.model.model.inbound
        for table, fkey in inbound.get((vocabulary.schema, vocabulary.name), ()):
            path = path_of(table, equals(fkey.columns[0], _referenced_value(fkey, term)))
            if count := self._session.catalog.count(path):
                used.append(f"{table.name} ({count} rows)")
        if used:
            raise DerivaMLDataError(
                f"Term {term.name!r} of {vocabulary.name!r} cannot be deleted: rows of "
                f"{some_of(sorted(used))} refer to it."
            )

    def _refuse_clashes(
        self, vocabulary: Table, terms: Iterable[VocabularyTerm], words: Iterable[str]
    ) -> None:
        taken = {w: t.name for t in terms for w in (*t.synonyms, t.name)}
        for word in words:
            if word in taken:
                raise DerivaMLInvalidTerm(
                    vocabulary.name, word, f"The word already means the term {taken[word]!r}."
                )


def _words(name: str, synonyms: Iterable[str] | None) -> tuple[str, ...]:
    if not isinstance(name, str) or not name.strip():
        raise DerivaMLValidationError(f"A term needs a name, not {name!r}.")
    if isinstance(synonyms, str):
        raise DerivaMLValidationError(f"Synonyms are given as a list, not as {synonyms!r}.")
    words = tuple(dict.fromkeys(synonyms or ()))
    if wrong := [w for w in words if not isinstance(w, str) or not w.strip()]:
        raise DerivaMLValidationError(f"Synonyms of {name!r} must be words, not {wrong!r}.")
    return tuple(w for w in words if w != name)


def _unknown(word: object, known: Iterable[str]) -> str:
    words = sorted(known)
    near = difflib.get_close_matches(str(word), words)
    if near:
        return f"There is no such term. Did you mean {' or '.join(map(repr, near))}?"
    return f"There is no such term. Add it with add_term, or use one of {some_of(words)}."


def _referenced_value(fkey: Any, term: VocabularyTerm) -> str:
    column = fkey.referenced_columns[0].lower()
    value = {"rid": term.rid, "id": term.id, "uri": term.uri}.get(column, term.name)
    return str(value)
