"""Version numbers and dataset specs."""

import pickle

import pytest
from hydra_zen import instantiate
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deriva_ml.dataset.spec import DatasetSpec, DatasetSpecConfig
from deriva_ml.dataset.versions import DatasetVersion, VersionPart

numbers = st.integers(0, 10_000)
versions = st.builds(DatasetVersion, numbers, numbers, numbers)


@given(versions)
def test_version_is_read_back_from_each_form(version: DatasetVersion) -> None:
    forms = (str(version), version.to_dict(), version.to_tuple(), list(version.to_tuple()))
    assert {DatasetVersion.of(form) for form in forms} == {version}
    assert pickle.loads(pickle.dumps(version)) == version


@given(versions, versions)
def test_versions_are_ordered_by_their_numbers(a: DatasetVersion, b: DatasetVersion) -> None:
    assert (a < b) == (a.to_tuple() < b.to_tuple())


@given(versions, st.sampled_from(VersionPart))
def test_development_lies_between_a_release_and_the_next(
    version: DatasetVersion, part: VersionPart
) -> None:
    first = version.next_dev()
    assert version < first < first.next_dev() < version.next_release(part)
    assert first.released == version
    assert first.is_devrelease


def test_development_labels_count() -> None:
    assert str(DatasetVersion(0, 4).next_dev().next_dev()) == "0.4.0.post1.dev2"


@pytest.mark.parametrize("text", ["", "one", "1.2.3.4", "1.0a1", "1!1.0", "1.0+local", "-1.0"])
def test_other_texts_are_no_versions(text: str) -> None:
    with pytest.raises(ValueError, match="not a dataset version"):
        DatasetVersion.parse(text)


@pytest.mark.parametrize("value", [None, 3, {}, {"major": 1, "mayor": 2}, (1, 2, 3, 4), (-1,)])
def test_other_values_are_no_versions(value: object) -> None:
    with pytest.raises(ValueError, match="not a dataset version"):
        DatasetVersion.of(value)


@pytest.mark.parametrize(
    "version",
    ["1.2.0", (1, 2, 0), [1, 2, 0], {"major": 1, "minor": 2, "patch": 0}, DatasetVersion(1, 2)],
)
def test_spec_takes_a_version_in_any_form(version: object) -> None:
    spec = DatasetSpec.model_validate({"rid": "1ABC", "version": version})
    assert str(spec) == "1ABC@1.2.0"
    assert spec.model_dump(mode="json")["version"] == {"major": 1, "minor": 2, "patch": 0}


@given(versions, st.booleans())
def test_spec_is_read_back_from_json(version: DatasetVersion, dev: bool) -> None:
    spec = DatasetSpec(rid="1-ABCD", version=version.next_dev() if dev else version)
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_shorthand_is_a_spec() -> None:
    assert DatasetSpec.from_shorthand("1-ABCD@1.2.0").version == DatasetVersion(1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [("1ABC", "names no version"), ("1ABC@", "names no version"), ("x@1.0.0", "not a RID")],
)
def test_shorthand_without_a_version_or_rid_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DatasetSpec.from_shorthand(text)


def test_unknown_field_of_a_spec_is_refused() -> None:
    with pytest.raises(ValidationError, match="materialise"):
        DatasetSpec.model_validate({"rid": "1ABC", "version": "1.0.0", "materialise": False})


def test_configuration_becomes_a_spec() -> None:
    config = DatasetSpecConfig("1ABC", "1.0.0", False, "train", exclude_tables=["Big"])
    spec = instantiate(config)
    assert isinstance(spec, DatasetSpec)
    assert (spec.materialize, spec.description, spec.exclude_tables) == (False, "train", {"Big"})
    assert DatasetSpec.model_validate(config) == spec
