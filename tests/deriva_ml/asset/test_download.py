"""Files of assets of a served catalog: fetched once, whatever asks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog_server import Served, serving
from deriva_ml import Asset, AssetSpec, DerivaML, ExecutionConfiguration, Workflow
from deriva_ml.asset.download import bring_together, cached_asset, fetch_asset
from deriva_ml.core.content import content_cache
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLException
from deriva_ml.schema import create_ml_catalog

WORKFLOW = Workflow(
    name="w", workflow_type="Training", url="https://example.org/w.py", checksum="beef"
)
BYTES = b"weights" * 1000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch, serving(home) as running:
        file = home / "credential.json"
        token = {"bearer-token": running.tokens.add("kim")}
        file.write_text(json.dumps({f"localhost:{running.port}": token}))
        patch.setenv("DERIVA_CREDENTIAL_FILE", str(file))
        create_ml_catalog(running.url, "zoo").close()
        yield running


@pytest.fixture
def ml(served: Served, tmp_path: Path) -> Iterator[DerivaML]:
    made = DerivaML(served.url, "zoo", working_dir=tmp_path / "work")
    yield made
    made.catalog.close()


def uploaded(ml: DerivaML, name: str, data: bytes) -> Asset:
    (asset,) = all_uploaded(ml, {name: data})
    return asset


def all_uploaded(ml: DerivaML, datas: dict[str, bytes]) -> list[Asset]:
    with ml.create_execution(workflow=WORKFLOW) as exe:
        for name, data in datas.items():
            exe.asset_file_path("Execution_Asset", name).write_bytes(data)
    made = exe.upload_execution_outputs()["deriva-ml/Execution_Asset"]
    rids = {path.name: str(path.asset_rid) for path in made}
    return [ml.lookup_asset(rids[name]) for name in datas]


def row_of(ml: DerivaML, asset: Asset) -> dict[str, Any]:
    (row,) = ml.catalog.fetch(f"entity/deriva-ml:Execution_Asset/RID={asset.asset_rid}")
    return dict(row)


def stored_at(served: Served, data: bytes) -> Path:
    """The file in which the service keeps these bytes."""
    home = served.tokens.path.parent
    (found,) = home.rglob(hashlib.sha256(data).hexdigest())
    return found


def test_bytes_are_fetched_once_for_all_assets_that_have_them(
    ml: DerivaML, served: Served, tmp_path: Path
) -> None:
    first, second = uploaded(ml, "a.bin", BYTES), uploaded(ml, "b.bin", BYTES)
    fetch_asset(ml.session, row_of(ml, first), tmp_path / "one", use_cache=True)
    stored = stored_at(served, BYTES)
    stored.rename(stored.with_suffix(".away"))
    try:
        for number, asset in enumerate([first, second] * 2):
            for use_cache in (False, True):
                place = tmp_path / f"{number}-{use_cache}"
                path = fetch_asset(ml.session, row_of(ml, asset), place, use_cache=use_cache)
                assert path.read_bytes() == BYTES
        assert cached_asset(ml.session, row_of(ml, second)).read_bytes() == BYTES
        ml.clear_cache()
        with pytest.raises(DerivaMLException):
            fetch_asset(ml.session, row_of(ml, first), tmp_path / "none", use_cache=True)
        assert not (tmp_path / "none").exists()
    finally:
        stored.with_suffix(".away").rename(stored)
    assert len(ml.list_cached_assets()) == 0


def test_small_inputs_of_an_execution_come_together(
    ml: DerivaML, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    datas = {f"input{n}.bin": b"input %d" % n for n in range(6)}
    assets = all_uploaded(ml, datas)
    specs = [AssetSpec(asset.asset_rid, cache=n > 3) for n, asset in enumerate(assets)]
    asked: list[str] = []
    send = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, *, stream: bool) -> httpx.Response:
        asked.append(request.extensions["target"].decode().partition("/hatrac/")[2])
        return send(client, request, stream=stream)

    monkeypatch.setattr(httpx.Client, "send", noted)
    with ml.create_execution(ExecutionConfiguration(assets=specs, workflow=WORKFLOW)) as exe:
        found = {path.name: path.read_bytes() for path in exe.asset_paths["Execution_Asset"]}
    assert found == datas
    # Those that the cache keeps, and those that it does not.
    assert [each for each in asked if each] == [";stat", ";content/get"] * 2
    kept = [cached_asset(ml.session, row_of(ml, asset)).is_file() for asset in assets]
    assert kept == [False] * 4 + [True] * 2


def test_an_input_that_the_server_damaged_is_refused_though_others_come(
    ml: DerivaML, served: Served, tmp_path: Path
) -> None:
    assets = all_uploaded(ml, {f"d{n}.bin": b"damaged %d" % n for n in range(3)})
    stored = stored_at(served, b"damaged 1")
    stored.chmod(0o644)
    stored.write_bytes(b"Damaged 1")
    rows = [row_of(ml, asset) for asset in assets]
    for use_cache in (False, True):
        wanted = [(row, tmp_path / str(use_cache) / row["RID"]) for row in rows]
        bring_together(ml.session, wanted, use_cache=use_cache)
        with pytest.raises(DerivaMLDataError, match="SHA-256"):
            fetch_asset(ml.session, *wanted[1], use_cache=use_cache)
    assert sorted(p.name for p in tmp_path.glob("False/*/*")) == ["d0.bin", "d2.bin"]
    assert cached_asset(ml.session, rows[2]).read_bytes() == b"damaged 2"


def test_a_file_of_the_cache_that_was_written_to_is_fetched_again(
    ml: DerivaML, tmp_path: Path
) -> None:
    asset = uploaded(ml, "c.bin", b"c" * 100)
    path = fetch_asset(ml.session, row_of(ml, asset), tmp_path / "one", use_cache=True)
    kept = cached_asset(ml.session, row_of(ml, asset))
    kept.chmod(0o644)
    kept.write_bytes(b"d" * 100)  # the same length
    path.unlink()
    again = fetch_asset(ml.session, row_of(ml, asset), tmp_path / "two", use_cache=True)
    assert again.read_bytes() == kept.read_bytes() == b"c" * 100


def test_what_the_cache_of_contents_lost_is_taken_from_the_asset(
    ml: DerivaML, served: Served, tmp_path: Path
) -> None:
    asset = uploaded(ml, "e.bin", b"e" * 100)
    fetch_asset(ml.session, row_of(ml, asset), tmp_path / "one", use_cache=True)
    content_cache(ml.cache_dir).trim(0)
    stored = stored_at(served, b"e" * 100)
    stored.rename(stored.with_suffix(".away"))
    again = fetch_asset(ml.session, row_of(ml, asset), tmp_path / "two", use_cache=True)
    stored.with_suffix(".away").rename(stored)
    assert again.read_bytes() == b"e" * 100


def test_bytes_that_the_server_damaged_are_refused(
    ml: DerivaML, served: Served, tmp_path: Path
) -> None:
    asset = uploaded(ml, "f.bin", b"f" * 100)
    stored = stored_at(served, b"f" * 100)
    stored.chmod(0o644)
    stored.write_bytes(b"g" * 100)
    for use_cache in (False, True):
        with pytest.raises(DerivaMLDataError, match="SHA-256"):
            fetch_asset(ml.session, row_of(ml, asset), tmp_path / "one", use_cache=use_cache)
    assert [p for p in tmp_path.glob("one/*") if p.is_file()] == []
    assert content_cache(ml.cache_dir).contents() == []
