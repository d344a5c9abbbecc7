"""Addresses of functions lead other processes to the same function."""

from __future__ import annotations

import os
import pickle
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from flexlock.errors import TargetImportError
from flexlock.target import Target, import_file

SOURCES = str(Path(__file__).parents[2] / "src")

SCRIPT = """
import functools
import sys
from flexlock.target import Target

ran_as = __name__

def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ("decorated", function(*args))
    wrapper.__flexlock_call__ = function
    return wrapper

@decorated
def main(cfg):
    return (ran_as, cfg)

def plain(cfg):
    return "plain"

renamed = decorated(plain)

if __name__ == "__main__":
    name = sys.argv[1]
    target = Target.of(globals()[name])
    print(target.module)
    print(target.qualname)
    print(target.file)
    print(target.load()(1))
"""


def run(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "process_script.py"
    file.write_text(SCRIPT)
    return file


def test_script_is_addressed_by_its_file_and_not_run_twice(script: Path) -> None:
    lines = run(script.parent, script.name, "main")
    assert lines == ["__main__", "main", str(script), "('__main__', 1)"]


def test_script_is_loaded_elsewhere_under_another_name(script: Path) -> None:
    function = Target("__main__", str(script), "main").load()
    name, value = function(5)
    assert value == 5
    assert name not in ("__main__", "__mp_main__")
    assert import_file(script) is sys.modules[name]  # once


def test_name_that_is_bound_to_the_decorated_function_is_found(script: Path) -> None:
    assert run(script.parent, script.name, "renamed")[1] == "renamed"


def test_module_of_a_package_keeps_its_dotted_name(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "stages_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("VALUE = 3\n")
    (package / "process.py").write_text(SCRIPT + "\nfrom .helper import VALUE\n")
    lines = run(tmp_path / "lib", "-m", "stages_package.process", "main")
    assert lines[:2] == ["stages_package.process", "main"]
    loaded = Target(lines[0], lines[2], "main").load()  # this process does not know the folder
    assert loaded(2) == ("stages_package.process", 2)


def test_module_of_the_same_name_from_elsewhere_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "json.py"
    other.write_text("def main(): ...\n")
    with pytest.raises(TargetImportError, match=r"comes first on sys\.path"):
        Target("json", str(other), "main").load()


def test_script_under_a_profiler_is_still_a_script(script: Path) -> None:
    lines = run(script.parent, "-m", "cProfile", "-o", "profile", script.name, "main")
    assert lines[:3] == ["__main__", "main", str(script)]


def test_imported_function_is_loaded_as_it_is() -> None:
    import json

    target = Target.of(json.dumps)
    assert (target.module, target.qualname) == ("json", "dumps")
    assert target.load() is json.dumps
    assert pickle.loads(pickle.dumps(target)) == target


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("json", None, "no_such_function"), "there is no function 'no_such_function'"),
        (Target("no_such_module_here", None, "main"), "No module named"),
        (Target("__main__", "/nowhere/process.py", "main"), "there is no such file"),
        (Target("__main__", None, "typed_in_function"), "was typed in"),
    ],
)
def test_what_cannot_be_loaded_is_named(target: Target, words: str) -> None:
    with pytest.raises(TargetImportError, match=words):
        target.load()


def test_functions_inside_functions_are_not_importable() -> None:
    def inner() -> None: ...

    assert not Target.of(inner).is_importable
    assert Target.of(run).is_importable


def test_error_of_the_script_itself_is_not_hidden(tmp_path: Path) -> None:
    script = tmp_path / "failing_script.py"
    script.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        import_file(script)
    assert not [name for name, module in sys.modules.items() if _is_from(module, script)]


def test_script_edited_within_a_second_runs_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "edited_script.py"
    script.write_text("value = 1\n")
    written = script.stat()
    compiled = py_compile.compile(str(script))
    assert compiled is not None
    script.write_text("value = 2\n")
    os.utime(script, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert import_file(script).value == 2


def _is_from(module: object, file: Path) -> bool:
    return getattr(module, "__file__", None) == str(file)
