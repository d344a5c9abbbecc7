"""Importing a project's configuration without what its models compute with."""

import subprocess
import sys
from pathlib import Path

import pytest

MODEL = """
import numpy as np
import networkx
from PIL import Image
from deriva_ml import DerivaML, Execution
from deriva_ml.dataset import DatasetBag

def train(lr: float = 0.1, *, bag: DatasetBag | None = None, ml_instance: DerivaML,
          execution: Execution | None = None) -> None: np.zeros(3)
"""

PROGRAM = """
import sys
from deriva_ml.core.deferring import Deferred, deferred_imports
with deferred_imports():
    import model
    from hydra_zen import builds, instantiate
    conf = builds(model.train, populate_full_signature=True, zen_partial=True)
assert conf.lr == 0.1
heavy = {"numpy.linalg", "PIL.Image", "networkx.classes", "deriva_ml.core.base"}
assert not heavy & set(sys.modules)
assert "PYDANTIC_DISABLE_PLUGINS" not in __import__("os").environ

# What is used is there.
assert model.np.arange(3).sum() == 3
assert model.Image.new("L", (2, 2)).size == (2, 2)
import numpy.linalg
assert numpy.linalg.norm([3, 4]) == 5
import networkx.algorithms
assert networkx.algorithms.is_tree(networkx.path_graph(3))

from deriva_ml.core.base import DerivaML
class Mine(model.DerivaML):
    pass
assert Mine.__mro__[1] is DerivaML
assert model.DerivaML.from_context.__func__ is DerivaML.from_context.__func__
assert issubclass(Mine, model.DerivaML) and not isinstance(3, model.DerivaML)
assert isinstance(model.DerivaML, Deferred)
assert "deriva_ml.core.base" in repr(model.DerivaML)
import deriva_ml
assert deriva_ml.DerivaML is DerivaML
"""


def test_libraries_and_classes_wait_until_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


CONFIGS = {
    "plain": "N = 2",
    # What no stand-in can do: the number is computed while the module is imported.
    "constant": "import numpy as np\nN = int(np.pi) - 1",
    "checked": "from deriva_ml import DerivaML\nassert isinstance(DerivaML, type)\nN = 2",
}


@pytest.mark.parametrize("case", sorted(CONFIGS))
def test_any_project_is_listed(case: str, tmp_path: Path) -> None:
    package = tmp_path / "src" / "configs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "a.py").write_text(
        f"{CONFIGS[case]}\nfrom hydra_zen import make_config, store\n"
        "store(make_config(n=N, description=f'{N} of them'), group='things', name='some')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "deriva_ml.cli.run", "--list-configs"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("some  2 of them") == 1
