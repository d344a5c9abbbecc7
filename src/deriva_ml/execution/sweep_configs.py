"""Composing the configuration of each job of a sweep once.

Hydra composes it twice: in the launching process, to see that it is legal before anything runs, and
again where the job runs. That takes longer than all else that a job costs. What was composed is
kept in the sweep's directory until the job takes it; it is the same, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig

__all__ = ["SweepConfigs"]

_FOLDER = ".composed"


class SweepConfigs(ConfigLoader):
    """Hydra's loader of configurations, which keeps those of jobs until they are used.

    Without `cloudpickle`, which any launcher with processes brings along, it keeps nothing.

    Args:
        loader: The loader.
        directory: The sweep's directory.
    """

    def __init__(self, loader: ConfigLoader, directory: Path) -> None:
        self._loader = loader
        self._folder = directory / _FOLDER
        self._process = os.getpid() if find_spec("cloudpickle") else None
        self.forget()

    def forget(self) -> None:
        """Remove what no job has taken."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The configuration of a job: the one that is kept for it, or composed now."""
        text = json.dumps([str(word) for word in sweep_overrides])
        place = self._folder / hashlib.sha256(text.encode()).hexdigest()
        try:
            content = place.read_bytes()
            place.unlink()
        except FileNotFoundError:
            made = self._loader.load_sweep_config(master_config, sweep_overrides)
            self._keep(place, made)
            return made
        kept: DictConfig = pickle.loads(content)
        return kept

    def _keep(self, place: Path, made: DictConfig) -> None:
        if self._process != os.getpid():
            return  # this is the job's own process, which is about to use it
        import cloudpickle

        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(cloudpickle.dumps(made))
        fresh.replace(place)

    # --- what the loader does --------------------------------------------------------

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """See Hydra's loader."""
        return self._loader.load_configuration(
            config_name, overrides, run_mode, from_shell, validate_sweep_overrides
        )

    def get_search_path(self) -> ConfigSearchPath:
        """See Hydra's loader."""
        return self._loader.get_search_path()

    def get_sources(self) -> list[ConfigSource]:
        """See Hydra's loader."""
        return self._loader.get_sources()

    def list_groups(self, parent_name: str) -> list[str]:
        """See Hydra's loader."""
        return self._loader.list_groups(parent_name)

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """See Hydra's loader."""
        return self._loader.get_group_options(group_name, results_filter, config_name, overrides)

    def compute_defaults_list(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode
    ) -> Any:
        """See Hydra's loader."""
        return self._loader.compute_defaults_list(config_name, overrides, run_mode)

    def __getattr__(self, name: str) -> Any:
        """What some version of Hydra's own loader has besides."""
        if name.startswith("__") or "_loader" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._loader, name)
