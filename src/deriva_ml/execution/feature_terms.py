"""Terms in feature values are looked up when the values are staged, not first at the upload.

A typing error in a label is then told where it was made, while the run can still be mended.
"""

from __future__ import annotations

from collections.abc import Iterable

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import DerivaMLInvalidTerm
from deriva_ml.core.query import any_of, attributes
from deriva_ml.feature.definition import Feature
from deriva_ml.feature.record import FeatureRecord

from .run import Run

__all__ = ["check_terms"]

_WORDS = 500
"""How many words one question asks for."""


def check_terms(run: Run, feature: Feature, records: Iterable[FeatureRecord]) -> None:
    """Refuse values of a feature that are no terms; those that were looked up before are known.

    Cost:
        One query for each vocabulary and 500 new words. Without a connection nothing is looked
        up, and the upload refuses what is no term.

    Raises:
        DerivaMLInvalidTerm: A value is no term, or only a synonym of one.
    """
    if run.session.is_offline:
        return
    rows = list(records)
    references = {f.columns[0]: f for f in feature.feature_table.foreign_keys}
    for name, vocabulary in feature.vocabularies.items():
        given = {getattr(row, name) for row in rows} - {None}
        known = run.feature_terms.setdefault(vocabulary.qualified, set())
        unseen = sorted(given - known)
        if not unseen:
            continue
        named_by = run.session.model.vocab_columns(vocabulary)["Name"]
        if references[name].referenced_columns != (named_by,):
            continue
        for start in range(0, len(unseen), _WORDS):
            query = attributes(vocabulary, (named_by,), any_of(named_by, unseen[start:][:_WORDS]))
            known.update(row[named_by] for row in run.session.fetch(query))
        if wrong := sorted(given - known):
            raise _invalid(run, vocabulary, wrong[0])


def _invalid(run: Run, vocabulary: Table, word: str) -> DerivaMLInvalidTerm:
    try:
        (term,) = run.around.vocabularies.lookup_terms(vocabulary, [word])
    except DerivaMLInvalidTerm as error:
        return error
    return DerivaMLInvalidTerm(
        vocabulary.name, word, f"It is a synonym; the value of a feature is the name {term.name!r}."
    )
