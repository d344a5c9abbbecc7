"""The names that the packages give, and what importing them costs."""

import importlib
import importlib.util
import os
import subprocess
import sys

import pytest

PACKAGES = ("deriva_ml", "deriva_ml.core", "deriva_ml.dataset", "deriva_ml.execution")
PACKAGES += (
    "deriva_ml.interchange",
    "deriva_ml.catalog",
    "deriva_ml.importing",
    "deriva_ml.asset",
)


def natural(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_importable_and_listed(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__, key=natural) == module.__all__
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_types_of_public_methods_are_named_at_the_top() -> None:
    module = importlib.import_module("deriva_ml")
    assert {"CachedAsset", "CachedBag", "UploadCallback", "UploadProgress"} <= set(module.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    module = importlib.import_module("deriva_ml")
    with pytest.raises(AttributeError, match="no attribute 'DerivaMl'"):
        module.DerivaMl  # noqa: B018


def test_importing_the_session_help_and_a_service_leave_heavy_packages_alone() -> None:
    code = (
        "import sys, deriva_ml.dataset, deriva_ml.cli.run as r\n"
        "from deriva_ml import DerivaML, DerivaMLException, MLVocab, RID\n"
        "try: r.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'hydra', 'hydra_zen', 'pydantic', 'sqlalchemy', 'pandas', 'numpy', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "import deriva_catalog.server.serving  # a service is no client\n"
        "print(sorted({'httpx', 'pydantic'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stderr.split() == ["[]", "[]"]
    assert "--list-configs" in done.stdout
