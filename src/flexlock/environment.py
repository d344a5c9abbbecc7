"""Where code runs: the interpreter, the machine, what is installed. Nothing of it is secret.

Variables of the process's environment are not read into a sheet: they are where secrets live.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from flexlock.errors import LockNotFoundError
from flexlock.files import write_atomically
from flexlock.lock.record import EnvState
from flexlock.settings import cache_directory

__all__ = ["LOCKFILES", "environment", "installed_packages", "read_packages"]

LOCKFILES = ("uv.lock", "pixi.lock", "poetry.lock", "Pipfile.lock", "conda-lock.yml")
"""Files at the root of a repository that pin what it runs with."""
_ENDINGS = (".dist-info", ".egg-info")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def environment(roots: Mapping[str, Path] | None = None) -> EnvState:
    """Return where this process runs.

    The list of installed distributions is kept once, in the cache directory, under its hash;
    `read_packages` reads it back. ``FLEXLOCK_ENV_LOCKFILES`` names other files than `LOCKFILES`,
    separated by commas; ``FLEXLOCK_HASH_ENV=0`` leaves them out.

    Args:
        roots: The recorded repositories' folders by name, in which lock files are looked for.
    """
    packages = installed_packages(sys.path)
    text = "".join(f"{line}\n" for line in packages)
    digest = hashlib.sha256(text.encode()).hexdigest()
    _keep(digest, text)
    return EnvState(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.platform(),
        machine=platform.machine(),
        cpus=_cpus(),
        memory_bytes=_memory(),
        gpus=_gpus(),
        packages=len(packages),
        packages_hash=f"sha256:{digest}",
        lockfiles=_lockfiles(roots or {}),
        container=_container(),
    )


def installed_packages(path: Iterable[str]) -> tuple[str, ...]:
    """Return the distributions that are found along an import path, as sorted ``name==version``.

    The first of a name counts, as it does for the interpreter. Names and versions are read from
    the names of the metadata folders, which takes a listing a folder instead of a file a package.

    Source: "Recording installed projects", Python packaging specifications.
    """
    found: dict[str, str] = {}
    for folder in path:
        here: dict[str, str] = {}
        with suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS):
                    name, _, version = entry.name.rpartition(".")[0].partition("-")
                    here[_normal(name)] = version.partition("-py")[0]
        found = {**here, **found}
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))


def read_packages(packages_hash: str) -> tuple[str, ...]:
    """Return the list that `EnvState.packages_hash` names, as ``name==version``.

    Raises:
        LockNotFoundError: It was not made on this machine, or the cache has been emptied.
    """
    path = _list_path(packages_hash.removeprefix("sha256:"))
    try:
        return tuple(path.read_text().splitlines())
    except OSError as error:
        message = f"There is no list of packages {packages_hash!r} at {str(path)!r}."
        raise LockNotFoundError(message, hint="It is kept on the machine of the run.") from error


def _list_path(digest: str) -> Path:
    return cache_directory() / "packages" / f"{digest}.txt"


def _keep(digest: str, text: str) -> None:
    path = _list_path(digest)
    if path.exists():
        return
    with suppress(OSError):  # a home that cannot be written: the hash still tells lists apart
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text, sync=False)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _cpus() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> tuple[str, ...]:
    """Return the models of the NVIDIA cards, as their driver tells without a program's start."""
    models = []
    for file in sorted(_NVIDIA.glob("*/information")):
        for line in file.read_text().splitlines():
            if line.startswith("Model:"):
                models.append(line.partition(":")[2].strip())
    return tuple(models)


def _container() -> str | None:
    """Return what image the process runs in, as far as it can be told from inside."""
    given = os.environ.get("FLEXLOCK_CONTAINER")
    if given:
        return given
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        image = os.environ.get(variable)
        if image:
            return image
    for runtime, marker in (("docker", "/.dockerenv"), ("podman", "/run/.containerenv")):
        if Path(marker).exists():
            return runtime
    return None


def _lockfiles(roots: Mapping[str, Path]) -> dict[str, str]:
    if os.environ.get("FLEXLOCK_HASH_ENV", "").strip().lower() in ("0", "false", "no", "off"):
        return {}
    names = os.environ.get("FLEXLOCK_ENV_LOCKFILES")
    wanted = [n.strip() for n in names.split(",") if n.strip()] if names else LOCKFILES
    found = {}
    for repository, root in roots.items():
        for name in wanted:
            with suppress(FileNotFoundError):
                content = (root / name).read_bytes()
                found[f"{repository}/{name}"] = hashlib.sha256(content).hexdigest()
    return found
