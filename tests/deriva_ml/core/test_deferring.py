"""Importing a project's configuration without what its models compute with."""

import copy
import importlib
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union, get_type_hints

import pytest

from deriva_ml.core.deferring import Deferral, StandInUsed, deferred_imports

Place = Callable[[str], Path]
LIBRARY = "catboost"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Makes an empty package with the name of a library, in a directory where Python looks."""

    def make(directory: str) -> Path:
        package = tmp_path / directory / LIBRARY
        package.mkdir(parents=True)
        monkeypatch.syspath_prepend(package.parent)
        monkeypatch.setitem(sys.modules, LIBRARY, ModuleType(LIBRARY))  # put back in the end
        del sys.modules[LIBRARY]
        return package / "__init__.py"

    return make


def test_an_installed_library_waits_until_it_is_asked_for(place: Place) -> None:
    ran = "import builtins\nbuiltins.catboost_ran = True\nadam = sgd = 1\n"
    for ask in (vars, dir, lambda library: [n for n in library.__dict__]):
        place(f"{ask}/site-packages").write_text(ran)
        with deferred_imports() as deferral:
            importlib.import_module(LIBRARY)
            library = importlib.import_module(LIBRARY)
        assert "catboost_ran" not in vars(__import__("builtins"))
        assert deferral.libraries == {LIBRARY}
        assert {"adam", "sgd"} <= set(ask(library))
        del __import__("builtins").catboost_ran
        assert type(library) is ModuleType
        assert deferral.is_sound


def test_a_package_of_the_project_with_the_name_of_a_library_is_imported(place: Place) -> None:
    place("src").write_text("raise KeyError('at once')\n")
    with pytest.raises(KeyError, match="at once"), deferred_imports() as deferral:
        importlib.import_module(LIBRARY)
    assert not deferral.is_needed


def test_threads_wait_for_each_other(place: Place) -> None:
    begun, go = threading.Event(), threading.Event()
    file = place("site-packages")
    file.write_text("import sys\ncatboost = sys.modules[__name__]\nwait()\nlate = 1\n")
    with deferred_imports():
        library = importlib.import_module(LIBRARY)
    object.__getattribute__(library, "__dict__")["wait"] = lambda: (begun.set(), go.wait(10))
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(library.late)) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.05)  # unless it waits, it ends with an error here
    go.set()
    for thread in threads:
        thread.join(10)
    assert got == [1, 1]


def test_a_library_that_fails_later_than_where_it_is_imported_is_noticed(place: Place) -> None:
    place("site-packages").write_text("raise OSError('broken')\n")
    with deferred_imports() as deferral:
        library = importlib.import_module(LIBRARY)
        with pytest.raises(OSError, match="broken"):
            _ = library.anything
    assert not deferral.is_sound
    assert LIBRARY not in sys.modules


def test_a_stand_in_is_good_for_annotations() -> None:
    deferral = Deferral()
    made: Any = deferral.stand_in("deriva_ml.none.such", "DerivaML")
    assert deferral.stand_in("deriva_ml.none.such", "DerivaML") is made
    assert deferral.stand_in("deriva_ml.none.such", "DerivaMLConfig") is None
    assert deferral.stand_in("deriva_ml.core.deferring", "DerivaML") is None

    def model(a: made, b: made | None, c: None | made, d: list[made]) -> None: ...  # noqa: RUF036

    hints = get_type_hints(model)
    assert hints["a"] is made
    assert hints["b"] == Optional[made]  # noqa: UP045
    assert hints["c"] == Union[None, made]  # noqa: UP007
    assert deferral.is_sound


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it(),
        lambda it: it.from_context,
        lambda it: vars(it),
        dir,
        repr,
        lambda it: it.__module__,
        lambda it: it.__doc__,
        inspect.signature,
        inspect.isclass,
        lambda it: isinstance(it, type),
        lambda it: isinstance(3, it),
        lambda it: issubclass(bool, it),
        lambda it: type("Mine", (it,), {}),
        lambda it: pickle.dumps(it),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_whatever_else_is_done_with_a_stand_in_is_noticed(use: Callable[[Any], Any]) -> None:
    deferral = Deferral()
    with pytest.raises((StandInUsed, TypeError)):
        use(deferral.stand_in("deriva_ml.none.such", "DerivaML"))
    assert deferral.used
    assert not deferral.is_sound


def test_a_class_beside_its_stand_in_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    deferral = Deferral()
    deferral.stand_in("deriva_ml.none.such", "DerivaML")
    assert deferral.is_sound
    monkeypatch.setitem(sys.modules, "deriva_ml.none.such", ModuleType("such"))
    assert not deferral.is_sound


MODEL = """
import networkx
import numpy as np
from PIL import Image
from deriva_ml import DerivaML, Execution
from deriva_ml.dataset import DatasetBag

def train(lr: float = 0.1, *, bag: DatasetBag | None = None, ml_instance: DerivaML,
          execution: Execution | None = None) -> None: np.zeros(3)
"""
LIGHT = """
import atexit, sys
def tell():
    heavy = {"numpy.linalg", "PIL.ImageMode", "networkx.classes", "deriva_ml.core.base"}
    print("loaded", sorted(heavy & set(sys.modules)))
atexit.register(tell)
from hydra_zen import builds
import model
train = builds(model.train, populate_full_signature=True, zen_partial=True)
from datasets import N
"""
FULL = """
from deriva_ml import DerivaML
try:
    assert isinstance(DerivaML, type)
except Exception:
    N = 1
else:
    N = 2
"""
CONFIGS = {
    "light": ("src/configs", LIGHT, ["loaded []"]),
    "full": ("configs", FULL, []),
}


@pytest.mark.parametrize("case", sorted(CONFIGS))
def test_any_project_is_listed_as_a_run_sees_it(case: str, tmp_path: Path) -> None:
    directory, text, told = CONFIGS[case]
    package = tmp_path / directory
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("N = 2\n")
    (package / "a.py").write_text(
        f"{text}\nfrom hydra_zen import make_config, store\n"
        "store(make_config(n=N, description=f'{N} of them'), group='things', name='some')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "deriva_ml.cli.run", "--list-configs", "--config-dir", directory],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("some  2 of them") == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("loaded")] == told
