"""Configuration files and the catalog: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_ml.config import BootstrapReport, ConfigKind, ConfigValidationReport

    from ..base import DerivaML


def validate_config_file(self: DerivaML, path: str | Path) -> ConfigValidationReport:
    """Report on what a configuration file names (see `config.validate_config_file`)."""
    from deriva_ml.config import validate_config_file

    return validate_config_file(self, path)


def validate_config_directory(
    self: DerivaML, dir: str | Path, *, recursive: bool = True
) -> ConfigValidationReport:
    """Report on what the files of a directory name (see `config.validate_config_directory`)."""
    from deriva_ml.config import validate_config_directory

    return validate_config_directory(self, dir, recursive=recursive)


def bootstrap_config(
    self: DerivaML,
    *,
    kinds: Iterable[ConfigKind] | None = None,
    dataset_type_filter: Iterable[str] | None = None,
) -> BootstrapReport:
    """Propose a configuration from what the catalog has (see `config.bootstrap_config`)."""
    from deriva_ml.config import bootstrap_config

    return bootstrap_config(self, kinds=kinds, dataset_type_filter=dataset_type_filter)
