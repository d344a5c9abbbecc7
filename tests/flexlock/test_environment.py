"""What a sheet says about where code ran."""

import importlib.metadata
import os
import platform
from pathlib import Path

import pytest

from flexlock.environment import environment, installed_packages, read_packages
from flexlock.errors import LockNotFoundError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_CACHE", str(tmp_path / "cache"))


def test_the_interpreter_and_the_machine_are_named() -> None:
    found = environment()
    assert found.python == platform.python_version()
    assert found.cpus
    assert found.memory_bytes is None or found.memory_bytes > 1 << 20


def test_packages_are_those_that_the_interpreter_finds() -> None:
    found = environment()
    assert found.packages_hash is not None
    packages = dict(line.split("==") for line in read_packages(found.packages_hash))
    for name in ("pytest", "pyyaml", "pydantic-core"):
        assert packages[name] == importlib.metadata.version(name)
    assert found.packages == len(packages)


def test_an_upgrade_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "Some_Thing-1.0.dist-info").mkdir()
    before = environment()
    (tmp_path / "Some_Thing-1.0.dist-info").rename(tmp_path / "Some_Thing-1.1.dist-info")
    after = environment()
    assert before.packages_hash != after.packages_hash
    assert after.packages_hash is not None
    assert "some-thing==1.1" in read_packages(after.packages_hash)


def test_the_first_of_a_name_counts(tmp_path: Path) -> None:
    for folder, version in (("a", "2"), ("b", "1")):
        (tmp_path / folder / f"thing-{version}.dist-info").mkdir(parents=True)
    assert installed_packages([str(tmp_path / "a"), str(tmp_path / "b")]) == ("thing==2",)


def test_lock_files_of_repositories_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.lock").write_text("x")
    (tmp_path / "pins.txt").write_text("y")
    assert list(environment({"main": tmp_path}).lockfiles) == ["main/uv.lock"]
    monkeypatch.setenv("FLEXLOCK_ENV_LOCKFILES", "pins.txt, none.txt")
    assert list(environment({"main": tmp_path}).lockfiles) == ["main/pins.txt"]
    monkeypatch.setenv("FLEXLOCK_HASH_ENV", "0")
    assert environment({"main": tmp_path}).lockfiles == {}


def test_variables_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "canary-4711")
    found = environment()
    assert "canary-4711" not in repr(found)
    kept = [p.read_text() for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert not any("canary-4711" in text for text in kept)


def test_a_home_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLEXLOCK_CACHE", str(tmp_path / "file" / "below"))
    found = environment()
    assert found.packages_hash is not None
    with pytest.raises(LockNotFoundError, match="machine of the run"):
        read_packages(found.packages_hash)


def test_the_image_is_named_when_the_launcher_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_CONTAINER", "docker:image@sha256:00ff")
    assert environment().container == "docker:image@sha256:00ff"
    assert os.environ["FLEXLOCK_CONTAINER"] not in (environment().packages_hash or "")
