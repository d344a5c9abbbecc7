"""A machine that has Python, git and packages, and this system only as a wheel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
_KEPT_OUT = ("derivaml-", "pip", "_editable", "__editable__", "__pycache__")


@dataclass(frozen=True)
class Machine:
    """Where it lies, and what its programs find in their environment."""

    place: Path
    environment: dict[str, str]
    wheel: Path

    def run(self, script: str, where: Path) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell to its first error; nothing that it starts outlives it."""
        with subprocess.Popen(
            ["bash", "-eu", "-c", script],
            cwd=where,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                told, _ = process.communicate(timeout=540)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(script, process.returncode, told, "")


def fresh_machine(place: Path) -> Machine:
    """Set one up: packages of others are linked, ours is a wheel that pip is not told of."""
    dist, packages, programs, home = (place / name for name in ("dist", "lib", "bin", "home"))
    for directory in (dist, packages, programs, home):
        directory.mkdir()
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(dist), versions=["standard"])
    _link_packages(packages)
    own = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    for name in ("python", "python3"):
        _write(programs / name, f'exec "{own}" "$@"')
    _write(programs / "nbstripout", 'exec python -m nbstripout "$@"')
    (programs / "ruff").symlink_to(Path(shutil.which("ruff", path=_scripts()) or "ruff"))
    (home / ".gitconfig").write_text("[user]\nname = Somebody\nemail = somebody@example.org\n")
    git = Path(shutil.which("git") or "git").parent
    kept = {k: v for k, v in os.environ.items() if k in ("LANG", "LC_ALL", "TZ", "TMPDIR")}
    environment = {
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}:{git}:/usr/bin:/bin",
        "PYTHONPATH": str(packages),
        "PIP_NO_INDEX": "1",
        # pip reads these as the settings themselves: builds are not isolated, modules are compiled
        # when they are first imported, and nothing looks for conflicts among the linked packages.
        "PIP_NO_BUILD_ISOLATION": "false",
        "PIP_NO_COMPILE": "false",
        "PIP_NO_WARN_CONFLICTS": "false",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The linked packages bring plugins of pytest that no new environment has.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COLUMNS": "100",
    }
    return Machine(place, environment, Path(wheel))


def unpacked(machine: Machine) -> Path:
    """The packages of the wheel as they are where pip has installed it, with its record."""
    place = machine.place / "installed"
    with zipfile.ZipFile(machine.wheel) as archive:
        archive.extractall(place)
    [facts] = place.glob("derivaml-*.dist-info")
    record = {"url": machine.wheel.as_uri(), "archive_info": {}}
    (facts / "direct_url.json").write_text(json.dumps(record))
    return place


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _link_packages(packages: Path) -> None:
    directories = dict.fromkeys([*site.getsitepackages(), *sys.path])
    for directory in map(Path, directories):
        if directory.name != "site-packages" or not directory.is_dir():
            continue
        for entry in directory.iterdir():
            link = packages / entry.name
            ours = entry.suffix == ".pth" or entry.name.startswith(_KEPT_OUT)
            if not ours and not link.exists():
                link.symlink_to(entry)


def _scripts() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _write(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
