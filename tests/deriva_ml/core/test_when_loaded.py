"""Doing something with a library as soon as it is loaded."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from deriva_ml.core.when_loaded import when_loaded

NAME = "some_library_that_waits"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / f"{NAME}.py").write_text("words = ['loaded']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, NAME, ModuleType(NAME))  # put back in the end
    del sys.modules[NAME]
    return tmp_path


def say() -> None:
    importlib.import_module(NAME).words.append("then")


def test_it_is_done_once_when_the_module_is_there(place: Path) -> None:
    before = list(sys.meta_path)
    when_loaded(NAME, say)
    found = importlib.util.find_spec(NAME)
    assert found is not None
    assert NAME not in sys.modules  # to look for it is not to load it
    assert found.loader.get_source(NAME) == (place / f"{NAME}.py").read_text()
    module = importlib.import_module(NAME)
    assert module.words == ["loaded", "then"]
    assert sys.meta_path == before
    assert module.__loader__ is module.__spec__.loader
    assert importlib.reload(module).words == ["loaded"]


def test_two_may_wait_and_whoever_comes_late_need_not() -> None:
    when_loaded(NAME, say)
    when_loaded(NAME, say)
    module = importlib.import_module(NAME)
    when_loaded(NAME, say)
    assert module.words == ["loaded", "then", "then", "then"]


def test_a_module_that_is_not_there_is_missed_as_ever() -> None:
    before = list(sys.meta_path)
    when_loaded("no_such_library_at_all", say)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_library_at_all")
    sys.meta_path[:] = before


def test_what_could_not_be_done_is_tried_again() -> None:
    before = list(sys.meta_path)
    failures = [OSError("busy")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()
        say()

    when_loaded(NAME, fail_once)
    with pytest.raises(OSError, match="busy"):
        importlib.import_module(NAME)
    assert importlib.import_module(NAME).words == ["loaded", "then"]
    assert sys.meta_path == before


BY_ANOTHER_THREAD = (
    "import importlib, threading\n"
    "name = 'deriva_ml.core.zen_store'\n"
    "other = threading.Thread(target=importlib.import_module, args=[name])\n"
    "other.start()\n"
    "import hydra_zen\n"
    "other.join()\n"
)


@pytest.mark.parametrize(
    "first",
    ["import deriva_ml.core.zen_store\n", BY_ANOTHER_THREAD],
    ids=["its store first", "by another thread"],
)
def test_a_workflow_imported_first_is_described_in_the_store_loaded_later(first: str) -> None:
    code = (
        "from deriva_ml.execution import Workflow\n"
        f"{first}"
        "from hydra_zen import builds, store\n"
        "made = builds(Workflow, description='what it does', populate_full_signature=True)\n"
        "store(made, group='workflow', name='some', zen_meta={'description': 'when to use it'})\n"
        "from deriva_ml.core.zen_store import stored_options\n"
        "print([option.description for option in stored_options()])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['when to use it']"
