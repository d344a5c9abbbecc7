"""A project's configuration that cannot be loaded is told with the place of its fault."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deriva_ml.cli import run

FAULTS = {
    "import no_such_module_anywhere": (
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    ),
    "def broken(:": "SyntaxError: invalid syntax",
    "from json import loads; loads('{')": "JSONDecodeError: Expecting property name",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("words", [[], ["--list-configs"]], ids=["run", "list"])
def test_fault_in_a_configuration_is_told_with_its_line(
    fault: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    package = tmp_path / "src" / "faulty_configs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models.py").write_text(f"import json\n\n{fault}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    try:
        status = run.main(["--config-dir", "src/faulty_configs", *words])
    finally:
        for name in set(sys.modules) - known:
            if name.startswith("faulty_configs"):
                del sys.modules[name]
    told = capfd.readouterr().err
    place = Path("src/faulty_configs/models.py")
    assert status == 2
    assert told.startswith(
        f"deriva-ml-run: The project's configuration cannot be loaded: {place}, line 3: "
        f"{FAULTS[fault]}"
    )
    assert "Traceback" not in told
