"""Checking a project's configuration against a catalog, and proposing one from what is there.

The configuration is Python, but it is read as text here: nothing of it is imported or run.
"""

from .checking import validate_config_directory, validate_config_file
from .entries import (
    ConfigEntry,
    ConfigEntryResult,
    ConfigFileParseError,
    ConfigKind,
    ConfigValidationReport,
)
from .parsing import parse_config_file
from .proposing import BootstrapReport, BootstrapSkipped, BootstrapSuggestion, bootstrap_config

__all__ = [
    "BootstrapReport",
    "BootstrapSkipped",
    "BootstrapSuggestion",
    "ConfigEntry",
    "ConfigEntryResult",
    "ConfigFileParseError",
    "ConfigKind",
    "ConfigValidationReport",
    "bootstrap_config",
    "parse_config_file",
    "validate_config_directory",
    "validate_config_file",
]
