"""Making the two plugins known to Hydra.

Hydra takes plugins only from modules of the package ``hydra_plugins``, and imports every module
there whenever it starts. Ours are too heavy for that, so the module that they are in there is made
when they are asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

__all__ = ["register"]

_PACKAGE = "hydra_plugins"
_MODULE = f"{_PACKAGE}.deriva_ml"


def register() -> None:
    """Make the launcher ``flexlock`` and the sweeper ``tasks`` known to Hydra."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    from .launcher import FlexlockConf, FlexlockLauncher
    from .sweeper import TasksConf, TasksSweeper

    module = _module()
    for plugin in (FlexlockLauncher, TasksSweeper):
        setattr(module, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
    store = ConfigStore.instance().store
    store(group="hydra/launcher", name="flexlock", node=FlexlockConf, provider="deriva_ml")
    store(group="hydra/sweeper", name="tasks", node=TasksConf, provider="deriva_ml")


def _module() -> ModuleType:
    """Return the module of our plugins in the package of Hydra's, which may be absent."""
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    if importlib.util.find_spec(_PACKAGE) is None:
        package = ModuleType(_PACKAGE)
        package.__path__ = []
        sys.modules[_PACKAGE] = package
    package = importlib.import_module(_PACKAGE)
    module = ModuleType(_MODULE)
    sys.modules[_MODULE] = module
    vars(package)["deriva_ml"] = module
    return module
