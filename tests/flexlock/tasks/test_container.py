"""The command lines and digests of containers, with recorded runtimes on PATH."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from flexlock.errors import ConfigError, SchedulerError
from flexlock.tasks.container import Container, image_digest, read_container, wrap_command

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the only one on PATH besides those of the system's basic tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    return folder


def install(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_apptainer_command(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container("a.sif", "apptainer", ("/data:/d",), gpu=True)
    command = wrap_command(container, ["python3", "-m", "x"], workdir=Path("/w"), mounts=[])
    assert command == [
        *("apptainer", "exec", "--nv", "--pwd", "/w", "--bind", "/w:/w", "--bind", "/data:/d"),
        *("a.sif", "python3", "-m", "x"),
    ]


def test_docker_and_podman_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FLEXLOCK_", "SLURM_", "PBS_")) or name.endswith("_NUM_THREADS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLEXLOCK_LEASE", "9")
    mounts = [Path("/s"), Path("/w")]
    docker = Container("img:1", "docker", gpu=True)
    assert wrap_command(docker, ["p"], workdir=Path("/w"), mounts=mounts) == [
        *("docker", "run", "--rm", "--init", "--workdir", "/w"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--gpus", "all"),
        *("--volume", "/w:/w", "--volume", "/s:/s", "--env", "FLEXLOCK_LEASE", "img:1", "p"),
    ]
    podman = wrap_command(Container("i", "podman"), ["p"], workdir=Path("/w"), mounts=[])
    assert podman[6:8] == ["--userns", "keep-id"]


@pytest.mark.parametrize(
    ("source", "runtime"),
    [
        ("a.sif", "apptainer"),
        ("docker://python:3.12", "apptainer"),
        ({"image": "x", "runtime": "singularity"}, "apptainer"),
        ({"image": "x", "runtime": "podman"}, "podman"),
    ],
)
def test_the_runtime_follows_from_the_image_unless_named(source: object, runtime: str) -> None:
    assert read_container(source).runtime == runtime


def test_docker_is_taken_where_it_is_and_podman_where_only_that_is(programs: Path) -> None:
    install(programs, "podman", "true")
    assert read_container("python:3.12").runtime == "podman"
    install(programs, "docker", "true")
    assert read_container("python:3.12").runtime == "docker"


def test_a_file_describes_a_container(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("container:\n  image: i\n  runtime: docker\n  binds: [/data]\n")
    assert read_container(path) == Container("i", "docker", ("/data",))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"runtime": "docker"}, "needs the name"),
        ({"image": "i", "runtime": "dokcer"}, "Did you mean 'docker'"),
        ({"image": "i", "binds": "/data"}, "list of paths"),
        ({"image": "i", "gpu": "yes"}, "true or false"),
        ("none.yaml", r"none\.yaml"),
    ],
)
def test_bad_containers_are_refused(source: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_container(source)


def test_the_digest_of_an_image_file_is_its_hash(tmp_path: Path) -> None:
    image = tmp_path / "a.sif"
    image.write_bytes(b"image")
    expected = f"sha256:{hashlib.sha256(b'image').hexdigest()}"
    assert image_digest(Container(str(image), "apptainer")) == expected
    assert image_digest(Container("docker://python", "apptainer")) is None
    assert image_digest(Container(f"docker://python@{DIGEST}", "apptainer")) == DIGEST
    with pytest.raises(ConfigError, match="cannot be read"):
        image_digest(Container(str(tmp_path / "b.sif"), "apptainer"))


def test_docker_is_asked_and_fetches_what_it_does_not_have(programs: Path, tmp_path: Path) -> None:
    have = tmp_path / "have"
    install(
        programs,
        "docker",
        f'case $1 in pull) touch {have};; image) [ -e {have} ] || {{ echo "No such image" >&2;'
        f' exit 1; }}; echo \'[{{"Id": "sha256:1", "RepoDigests": ["img@{DIGEST}"]}}]\';; esac',
    )
    assert image_digest(Container("img", "docker")) == DIGEST
    assert have.exists()


def test_an_image_that_nobody_has_is_an_error(programs: Path) -> None:
    install(programs, "docker", "echo 'access denied' >&2; exit 1")
    with pytest.raises(SchedulerError, match="access denied"):
        image_digest(Container("img", "docker"))
    with pytest.raises(SchedulerError, match="not installed"):
        image_digest(Container("img", "podman"))
