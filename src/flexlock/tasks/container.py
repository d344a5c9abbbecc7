"""Running a worker inside a container: one command line for each runtime, and the image's digest.

Source: the command lines of ``apptainer exec``, ``docker run`` and ``podman run``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from flexlock.config.yaml_text import load_yaml
from flexlock.errors import ConfigError, SchedulerError
from flexlock.spelling import list_names, nearest

__all__ = ["Container", "Runtime", "image_digest", "image_text", "read_container", "wrap_command"]

Runtime = Literal["apptainer", "docker", "podman"]

_KEYS = ("image", "runtime", "binds", "gpu", "python")
_OLD_NAMES = {"singularity": "apptainer"}
_PASSED_ON = ("FLEXLOCK_", "SLURM_ARRAY_", "SLURM_JOB_ID", "SLURM_RESTART_COUNT", "PBS_")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_PULL_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Container:
    """An image and how it is started.

    `binds` are paths of the host that appear inside, each ``path`` or ``host_path:inside_path``.
    The working directory, the sweep's directory and the script's folder are always bound. `gpu`
    passes the graphics cards through. `python` is the interpreter inside; the package must be
    installed there.
    """

    image: str
    runtime: Runtime
    binds: tuple[str, ...] = ()
    gpu: bool = False
    python: str = "python3"


def read_container(source: str | Path | Mapping[str, Any]) -> Container:
    """Return the container that a YAML file, its content, or the name of an image describes.

    Without a runtime in it, an image that is a file or begins with ``docker://`` or ``oras://`` is
    for apptainer; any other is for docker, or podman where there is no docker.

    Raises:
        ConfigError: A key is unknown, has the wrong type, or the image is missing.
    """
    if not isinstance(source, Mapping):
        path = Path(source)
        if path.suffix.lower() not in {".yaml", ".yml"}:
            return _checked({"image": str(source)})
        content = load_yaml(_read(path), where=str(path))
        source = content.get("container", content) if isinstance(content, Mapping) else content
    if isinstance(source, str):
        return _checked({"image": source})
    if not isinstance(source, Mapping):
        message = f"A container is {source!r}, not an image or a mapping."
        raise ConfigError(message, hint="Write container: {image: ..., runtime: docker}.")
    return _checked(source)


def wrap_command(
    container: Container,
    command: Sequence[str],
    *,
    workdir: Path,
    mounts: Iterable[Path],
    name: str | None = None,
) -> list[str]:
    """Return the command that runs `command` inside the container, in `workdir`.

    Args:
        container: The image and its settings.
        command: What runs inside, without an interpreter of the host.
        workdir: The working directory, the same inside.
        mounts: More directories that must be seen inside, under the same paths.
        name: What docker and podman shall call the container.
    """
    paths = [str(workdir), *(str(mount) for mount in mounts)]
    binds = [*dict.fromkeys(f"{path}:{path}" for path in paths), *container.binds]
    if container.runtime == "apptainer":
        gpu = ["--nv"] if container.gpu else []
        bound = [part for bind in binds for part in ("--bind", bind)]
        start = ["apptainer", "exec", *gpu, "--pwd", str(workdir), *bound, container.image]
        return [*start, *command]
    named = [] if name is None else ["--name", name]
    start = [container.runtime, "run", "--rm", "--init", *named, "--workdir", str(workdir)]
    if container.runtime == "docker":
        gpu = ["--gpus", "all"] if container.gpu else []
        owner = ["--user", f"{os.getuid()}:{os.getgid()}"]
    else:
        gpu = ["--device", "nvidia.com/gpu=all"] if container.gpu else []
        owner = ["--userns", "keep-id"]
    bound = [part for bind in binds for part in ("--volume", bind)]
    variables = [part for name in _passed_on() for part in ("--env", name)]
    return [*start, *owner, *gpu, *bound, *variables, container.image, *command]


def image_digest(container: Container) -> str | None:
    """Return what names the image's content: ``sha256:`` and hexadecimal digits.

    For apptainer that is the hash of the image file; None for an image that apptainer fetches by a
    name without a digest. Docker and podman are asked, and fetch the image when it is not there.

    Raises:
        ConfigError: The image file does not exist.
        SchedulerError: The runtime is missing or does not know the image.
    """
    if "@sha256:" in container.image:
        return container.image.rpartition("@")[2]
    if container.runtime == "apptainer":
        return None if "://" in container.image else _file_digest(Path(container.image))
    inspect = [container.runtime, "image", "inspect", container.image]
    found = _run(inspect)
    if found.returncode != 0:
        _refuse(container, _run([container.runtime, "pull", container.image]))
        found = _run(inspect)
    _refuse(container, found)
    document = json.loads(found.stdout)[0]
    repository = next(iter(document.get("RepoDigests") or ()), "")
    digest: str = repository.rpartition("@")[2] or document["Id"]
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def image_text(container: Container) -> str:
    """Return runtime, image and digest in one text, as run sheets show them.

    Raises:
        ConfigError, SchedulerError: See `image_digest`.
    """
    digest = image_digest(container)
    known = digest is None or digest in container.image
    return f"{container.runtime}:{container.image}{'' if known else f'@{digest}'}"


def _checked(source: Mapping[str, Any]) -> Container:
    for key in source:
        if key not in _KEYS:
            message = f"A container has no key {key!r}; it has {list_names(_KEYS)}."
            raise ConfigError(message, hint=nearest(str(key), _KEYS).strip(), key=key)
    image = source.get("image")
    if not isinstance(image, str) or not image:
        message = f"A container needs the name or file of an image, not {image!r}."
        raise ConfigError(message, hint="Write container: {image: ...}.")
    runtime: Any = source.get("runtime") or _runtime_for(image)
    runtime = _OLD_NAMES.get(runtime, runtime)
    if runtime not in get_args(Runtime):
        known = get_args(Runtime)
        message = f"The container runtime {runtime!r} is unknown; there are {list_names(known)}."
        raise ConfigError(message, hint=nearest(str(runtime), known).strip())
    binds = source.get("binds") or ()
    if isinstance(binds, str) or not all(isinstance(bind, str) for bind in binds):
        message = f"The binds of a container must be a list of paths, not {binds!r}."
        raise ConfigError(message, hint="Write binds: [/data, /scratch:/tmp].")
    gpu, python = source.get("gpu", False), source.get("python", "python3")
    if not isinstance(gpu, bool) or not isinstance(python, str):
        message = f"A container has gpu={gpu!r} and python={python!r}."
        raise ConfigError(message, hint="gpu is true or false, python names an interpreter.")
    return Container(image, runtime, tuple(binds), gpu, python)


def _runtime_for(image: str) -> str:
    if "://" in image or image.endswith(".sif") or Path(image).is_file():
        return "apptainer"
    return "docker" if shutil.which("docker") or not shutil.which("podman") else "podman"


def _passed_on() -> list[str]:
    return sorted(name for name in os.environ if name in _THREADS or name.startswith(_PASSED_ON))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as cause:
        message = f"The container file {str(path)!r} cannot be read: {cause}."
        raise ConfigError(message, hint="Check its name.", path=path) from cause


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as cause:
        message = f"The image {str(path)!r} cannot be read: {cause}."
        raise ConfigError(message, hint="Check the image of the container.", path=path) from cause


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_PULL_TIMEOUT_S, check=False
        )
    except FileNotFoundError as cause:
        message = f"The container runtime {command[0]!r} is not installed."
        raise SchedulerError(message, hint="Install it or name another runtime.") from cause
    except subprocess.TimeoutExpired as cause:
        message = f"{' '.join(command)!r} did not end within {_PULL_TIMEOUT_S:.0f} s."
        raise SchedulerError(message, hint="Fetch the image by hand first.") from cause


def _refuse(container: Container, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        message = f"{container.runtime} has no image {container.image!r}: {done.stderr.strip()}."
        raise SchedulerError(message, hint="Check the name and your access to it.")
