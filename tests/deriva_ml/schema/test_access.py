"""A team shares a catalog: users read, writers add, curators correct, admins own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import OverHttp, over_http
from deriva_ml import DerivaML, Workflow
from deriva_ml.core.exceptions import (
    DerivaMLAuthenticationError,
    DerivaMLException,
    DerivaMLPermissionError,
    DerivaMLValidationError,
)
from deriva_ml.schema import (
    AccessPolicy,
    apply_access_policy,
    create_ml_catalog,
    create_or_retarget_ml_catalog,
)

POLICY = AccessPolicy(("kim",), ("cora",), ("ann", "ben"), ("uma",))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """A service with one catalog, which has the policy."""
    with over_http(tmp_path_factory.mktemp("home")) as made:
        credential = {"bearer-token": made.served.tokens.add("kim")}
        create_ml_catalog(made.served.url, "lab", credential=credential, access=POLICY).close()
        yield made


class Team:
    """Connections of people to the catalog."""

    def __init__(self, served: OverHttp, work: Path) -> None:
        self._served, self._work = served, work
        self._made: dict[str | None, DerivaML] = {}

    def __call__(self, who: str | None) -> DerivaML:
        if who not in self._made:
            token = None if who is None else self._served.served.tokens.add(who)
            self._made[who] = DerivaML(
                self._served.served.url,
                "lab",
                working_dir=self._work / str(who),
                credential={} if token is None else {"bearer-token": token},
            )
        return self._made[who]

    def close(self) -> None:
        for ml in self._made.values():
            ml.catalog.close()


@pytest.fixture
def team(served: OverHttp, tmp_path: Path) -> Iterator[Team]:
    made = Team(served, tmp_path)
    yield made
    made.close()


def test_writers_run_and_change_what_is_theirs(team: Team) -> None:
    ann, ben = team("ann"), team("ben")
    workflow = Workflow(name="w", workflow_type="Training")
    with ann.create_execution(description="hers", workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "model.bin").write_bytes(b"model")
        dataset = exe.create_dataset("Training", description="Hers.")
    exe.upload_execution_outputs()
    assert [a.filename for a in exe.list_assets("Output") if a.asset_table == "Execution_Asset"]
    ann.lookup_dataset(dataset.dataset_rid).description = "Hers, corrected."
    theirs = ben.lookup_dataset(dataset.dataset_rid)
    assert theirs.description == "Hers, corrected."
    with pytest.raises(DerivaMLPermissionError):
        theirs.description = "His."
    with pytest.raises(DerivaMLPermissionError):
        ben.delete_dataset(dataset.dataset_rid)
    team("cora").lookup_dataset(dataset.dataset_rid).description = "Curated."
    assert ann.lookup_dataset(dataset.dataset_rid).description == "Curated."


def test_users_read_and_change_nothing(team: Team) -> None:
    uma = team("uma")
    assert uma.lookup_term("Dataset_Type", "Training")
    with pytest.raises(DerivaMLPermissionError):
        uma.add_term("Dataset_Type", "Mine", "No.")
    with pytest.raises(DerivaMLPermissionError):
        team("ann").create_vocabulary("Mine", "Only admins change tables.")
    team("kim").create_vocabulary("Theirs", "Admins do.")


def test_strangers_see_what_there_is_and_read_nothing(team: Team) -> None:
    for ml in (team("zoe"), team(None)):
        assert "Dataset" in ml.catalog.model.schemas["deriva-ml"].tables
        assert ml.list_vocabulary_terms("Dataset_Type") == []  # only rows of their own
        with pytest.raises((DerivaMLPermissionError, DerivaMLAuthenticationError)):
            ml.add_term("Dataset_Type", "Mine", "No.")


def test_only_owners_set_the_policy(team: Team) -> None:
    with pytest.raises(DerivaMLException):
        apply_access_policy(team("cora"), POLICY)
    apply_access_policy(team("kim"), POLICY)


def test_an_alias_moves_to_the_new_catalog(served: OverHttp, tmp_path: Path) -> None:
    credential = {"bearer-token": served.served.tokens.add("kim")}
    made = [
        create_or_retarget_ml_catalog(
            served.served.url, "moving", alias="latest", credential=credential
        )
        for _ in range(2)
    ]
    ml = DerivaML(served.served.url, "latest", working_dir=tmp_path, credential=credential)
    assert ml.catalog.id == made[1].id != made[0].id
    for catalog in (ml.catalog, *made):
        catalog.close()


def test_circles_are_lists_of_roles() -> None:
    for wrong, text in (
        ({"admins": ()}, "needs somebody"),
        ({"admins": "kim"}, "a list of roles"),
        ({"admins": ("kim",), "writers": ("*",)}, "cannot be everybody"),
    ):
        with pytest.raises(DerivaMLValidationError, match=text):
            AccessPolicy(**wrong)  # type: ignore[arg-type]
    assert AccessPolicy(("kim",), users=("*",)).self_serve["select"] == ["*"]
