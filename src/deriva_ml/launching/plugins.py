"""Making the two plugins known to Hydra.

Hydra takes plugins only from modules of the package ``hydra_plugins``, and imports every module
there whenever it starts. Ours are too heavy for that, so the module that they are in there is made
when they are asked for.
"""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Make the launcher ``flexlock`` and the sweeper ``tasks`` known to Hydra."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    from deriva_ml.execution.sweep_keeper import plugin_module

    from .launcher import FlexlockConf, FlexlockLauncher
    from .sweeper import TasksConf, TasksSweeper

    module = plugin_module()
    for plugin in (FlexlockLauncher, TasksSweeper):
        setattr(module, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
    store = ConfigStore.instance().store
    store(group="hydra/launcher", name="flexlock", node=FlexlockConf, provider="deriva_ml")
    store(group="hydra/sweeper", name="tasks", node=TasksConf, provider="deriva_ml")
