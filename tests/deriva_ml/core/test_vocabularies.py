"""Terms: by name or synonym, added, changed and deleted."""

from __future__ import annotations

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLException,
    DerivaMLInvalidTerm,
    DerivaMLReadOnlyError,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.core.vocabulary import VocabularyTerm

from ..conftest import Zoo


def test_a_term_is_found_by_its_name_and_by_its_synonyms(ml: DerivaML) -> None:
    made = ml.add_term("Image_Class", "horse", "A horse.", synonyms=["pony", "nag"])
    assert ml.lookup_term("Image_Class", "horse") == made
    assert ml.lookup_term("Image_Class", "nag").name == "horse"
    assert made.description == "A horse."
    assert made.synonyms == ("pony", "nag")
    assert made.id == f"zoo:{made.rid}"


def test_a_name_that_exists_is_returned_as_it_is_or_refused(ml: DerivaML) -> None:
    known = ml.lookup_term("Image_Class", "cat")
    again = ml.add_term("Image_Class", "cat", "Another text.")
    assert (again.rid, again.description) == (known.rid, "A cat.")
    with pytest.raises(DerivaMLInvalidTerm, match="exists already"):
        ml.add_term("Image_Class", "cat", "x", exists_ok=False)


@pytest.mark.parametrize(
    ("name", "synonyms"), [("kitty", None), ("lion", ["kitty"]), ("lion", ["dog"])]
)
def test_a_word_means_one_term_only(ml: DerivaML, name: str, synonyms: list[str] | None) -> None:
    ml.lookup_term("Image_Class", "cat").synonyms = ["kitty"]
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLInvalidTerm, match="already means"):
        ml.add_term("Image_Class", name, "x", synonyms=synonyms)
    assert ml.catalog.latest_snapshot() == before


def test_assigning_to_a_handle_changes_the_catalog(ml: DerivaML) -> None:
    term = ml.lookup_term("Image_Class", "cat")
    term.description = "A small lion."
    term.synonyms = ["kitty"]
    found = ml.lookup_term("Image_Class", "kitty")
    assert (found.name, found.description) == ("cat", "A small lion.")
    with pytest.raises(DerivaMLInvalidTerm):
        term.synonyms = ["dog"]
    assert term.synonyms == ("kitty",)


def test_a_deleted_term_is_gone(ml: DerivaML) -> None:
    ml.add_term("Image_Class", "horse", "A horse.").delete()
    with pytest.raises(DerivaMLInvalidTerm, match="no such term"):
        ml.lookup_term("Image_Class", "horse")


def test_a_term_in_use_is_not_deleted(ml: DerivaML, zoo: Zoo) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLDataError, match=r"Execution_Image_Label \(4 rows\)"):
        ml.delete_term("Image_Class", "cat")
    assert ml.catalog.latest_snapshot() == before


def test_near_words_are_suggested(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLInvalidTerm, match="Did you mean 'cat'"):
        ml.lookup_term("Image_Class", "catt")


@pytest.mark.parametrize(
    ("table", "error"),
    [("Image", DerivaMLTableTypeError), ("Image_Clas", DerivaMLTableNotFound)],
)
def test_only_vocabularies_have_terms(
    ml: DerivaML, table: str, error: type[DerivaMLException]
) -> None:
    with pytest.raises(error):
        ml.add_term(table, "x", "y")
    with pytest.raises(error):
        ml.list_vocabulary_terms(table)


@pytest.mark.parametrize(("name", "synonyms"), [("", None), ("x", "y"), ("x", [""]), ("x", [3])])
def test_words_must_be_words(ml: DerivaML, name: str, synonyms: object) -> None:
    with pytest.raises(DerivaMLValidationError):
        ml.add_term("Image_Class", name, "d", synonyms=synonyms)  # type: ignore[arg-type]


def test_a_snapshot_cannot_be_written(ml: DerivaML) -> None:
    past = ml.catalog_snapshot(ml.catalog.latest_snapshot())
    assert past.lookup_term("Image_Class", "cat").name == "cat"
    with pytest.raises(DerivaMLReadOnlyError):
        past.add_term("Image_Class", "horse", "A horse.")


def test_a_term_can_be_made_from_a_row_in_either_letter_case() -> None:
    row = {"name": "a", "synonyms": ["b"], "description": "c", "id": "d", "uri": "e", "rid": "F"}
    upper = {
        k.title() if k in ("name", "synonyms", "description") else k.upper(): v
        for k, v in row.items()
    }
    assert VocabularyTerm(**row) == VocabularyTerm(**upper)
    with pytest.raises(DerivaMLValidationError):
        VocabularyTerm(description="x")
