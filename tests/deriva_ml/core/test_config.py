"""How to reach a catalog and where to work."""

import getpass
import json
from pathlib import Path

import pytest
from hydra.conf import HydraConf
from hydra_zen import ZenStore, builds, instantiate
from pydantic import ValidationError

from deriva_ml.core.config import (
    DerivaMLConfig,
    compute_workdir,
    forget_hydra_settings,
    register_hydra_settings,
)

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)


def test_documented_parameters_are_taken() -> None:
    config = instantiate(
        DerivaMLConf(
            hostname="example.org",
            catalog_id="1",
            domain_schema="my_project",
            working_dir="/shared/workspace",
            use_minid=True,
            check_auth=True,
        )
    )
    assert isinstance(config, DerivaMLConfig)
    assert (config.hostname, config.catalog_id, config.check_auth) == ("example.org", "1", True)
    assert (config.domain_schemas, config.default_schema) == ({"my_project"}, "my_project")


def test_catalog_has_a_default_and_keeps_its_type() -> None:
    assert DerivaMLConfig(hostname="localhost").catalog_id == 1
    assert DerivaMLConfig(hostname="localhost", catalog_id="digits").catalog_id == "digits"


@pytest.mark.parametrize(
    ("bucket", "asked", "effective"),
    [(None, None, False), (None, True, False), ("b", None, True), ("b", False, False)],
)
def test_minids_take_a_bucket(bucket: str | None, asked: bool | None, effective: bool) -> None:
    assert DerivaMLConfig(hostname="h", s3_bucket=bucket, use_minid=asked).use_minid is effective


def test_schemas_may_be_given_in_either_way_but_not_in_conflict() -> None:
    assert DerivaMLConfig(hostname="h", domain_schemas="a").domain_schemas == {"a"}
    assert DerivaMLConfig(hostname="h", domain_schemas=["a", "b"]).default_schema is None
    with pytest.raises(ValidationError, match="only one of the two"):
        DerivaMLConfig(hostname="h", domain_schema="c", domain_schemas={"a"})


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValidationError, match="domain_shema"):
        DerivaMLConfig(hostname="h", domain_shema="a")


def test_credential_is_neither_shown_nor_written() -> None:
    config = DerivaMLConfig(hostname="h", credential={"bearer-token": "s3cret"})
    assert config.credential == {"bearer-token": "s3cret"}
    assert "s3cret" not in repr(config) + config.model_dump_json() + str(config.model_dump())


def test_configuration_is_read_back_from_json() -> None:
    config = DerivaMLConfig(hostname="h", domain_schemas={"a"}, working_dir="w", use_minid=False)
    assert DerivaMLConfig(**json.loads(config.model_dump_json())) == config


def test_working_directory_is_the_users_own(tmp_path: Path) -> None:
    user = tmp_path / getpass.getuser() / "deriva-ml"
    assert compute_workdir(tmp_path) == user
    assert DerivaMLConfig.compute_workdir(tmp_path, 7, "data.example.org") == (
        user / "data.example.org" / "7"
    )


def test_without_a_working_directory_home_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    assert compute_workdir() == tmp_path / "work"
    monkeypatch.delenv("DERIVA_ML_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compute_workdir(None, "digits", "localhost") == (
        tmp_path / ".deriva-ml" / "localhost" / "digits"
    )


def test_any_host_is_one_directory_and_no_two_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["https://h:8443/", "h_8443", "/data/a", "/data_a", "..", "."]
    places = {compute_workdir(tmp_path, 1, host) for host in hosts}
    assert len(places) == len(hosts)
    assert {p.parent.parent for p in places} == {compute_workdir(tmp_path)}
    monkeypatch.chdir(tmp_path)
    same = ["./my data", str(tmp_path / "my data"), (tmp_path / "my data").as_uri()]
    assert len({compute_workdir(tmp_path, 1, host) for host in same}) == 1


def test_settings_for_hydra_are_stored_once_and_can_be_taken_out() -> None:
    store = ZenStore(deferred_hydra_store=True)
    register_hydra_settings(store)
    register_hydra_settings(store)
    assert [(e["group"], e["name"]) for e in store] == [("hydra", "config")]
    forget_hydra_settings(store)
    assert list(store) == []


def test_a_programs_own_settings_for_hydra_stay() -> None:
    store = ZenStore(deferred_hydra_store=True)
    own = HydraConf()
    store(own)
    register_hydra_settings(store)
    forget_hydra_settings(store)
    assert store["hydra", "config"] is own
