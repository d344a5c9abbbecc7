"""What extensions bring in: dataframe and column types, loaders and savers.

Nothing is imported before it is needed. An extension is loaded when its library is already
imported and a type is asked for, or when one of its loader or saver keys is asked for.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hamilton.io.data_adapters import DataLoader, DataSaver

__all__ = [
    "LOADER_REGISTRY",
    "SAVER_REGISTRY",
    "config_disable_autoload",
    "config_enable_autoload",
    "disable_autoload",
    "enable_autoload",
    "fill_with_scalar",
    "get_column",
    "get_column_type_from_df_type",
    "get_registered_column_types",
    "get_registered_dataframe_types",
    "initialize",
    "load_extension",
    "register_adapter",
    "register_types",
]

logger = logging.getLogger(__name__)

_AUTOLOAD_VARIABLE = "HAMILTON_AUTOLOAD_EXTENSIONS"
_CONFIG_FILE = ".hamilton.conf"

LOADER_REGISTRY: dict[str, list[type[DataLoader]]] = {}
SAVER_REGISTRY: dict[str, list[type[DataSaver]]] = {}
_DATAFRAME_TYPES: dict[str, type] = {}
_COLUMN_TYPES: dict[str, type] = {}


@dataclass(frozen=True)
class Extension:
    """What is known of an extension before it is loaded.

    Attributes:
        library: The module by whose import the library is known to be in use.
        loaders: Keys of its loaders.
        savers: Keys of its savers.
        extra: The extra of this project that installs the library.
        own_types: It loads and saves types of its library only. Whoever asks for one has
            imported the library, so that asking for a key need not.
    """

    library: str
    loaders: frozenset[str] = frozenset()
    savers: frozenset[str] = frozenset()
    extra: str = "dataflow"
    own_types: bool = False


def _extension(
    library: str,
    loaders: str = "",
    savers: str = "",
    extra: str = "dataflow",
    own_types: bool = False,
) -> Extension:
    return Extension(
        library, frozenset(loaders.split()), frozenset(savers.split()), extra, own_types
    )


EXTENSIONS: dict[str, Extension] = {
    "pandas": _extension(
        "pandas",
        "csv parquet pickle json sql xml html stata feather orc excel table fwf spss",
        "csv parquet pickle json sql xml html stata feather orc excel",
    ),
    "polars": _extension(
        "polars",
        "csv parquet avro feather json ndjson spreadsheet database",
        "csv parquet avro feather json ndjson spreadsheet database",
    ),
    "polars_lazyframe": _extension("polars", "csv parquet feather", ""),
    "numpy": _extension("numpy", "npy", "npy"),
    "yaml": _extension("yaml", "yaml", "yaml"),
    "matplotlib": _extension("matplotlib", "", "plt", "examples"),
    "sklearn_plot": _extension("matplotlib", "", "png", "examples"),
    "plotly": _extension("plotly", "", "plotly html", "plots", own_types=True),
    "xgboost": _extension("xgboost", "json", "json", "models", own_types=True),
    "lightgbm": _extension("lightgbm", "file", "file", "models", own_types=True),
    "mlflow": _extension("mlflow", "mlflow", "mlflow", "tracking"),
    "huggingface": _extension(
        "datasets.arrow_dataset", "hf_dataset", "parquet", "bridges", own_types=True
    ),
    "lancedb": _extension("lancedb", "", "lancedb", "bridges"),
    "dlt": _extension("dlt", "dlt", "dlt", "bridges"),
    "kedro": _extension("kedro", "kedro", "kedro", "bridges"),
    "dask": _extension("dask.dataframe"),
    "geopandas": _extension("geopandas", extra="bridges"),
    "ibis": _extension("ibis", extra="bridges"),
    "spark": _extension("pyspark", "csv parquet", extra="spark", own_types=True),
    "pyspark_pandas": _extension("pyspark.pandas", extra="spark"),
}


class _State:
    """What has been loaded so far, and whether extensions load by themselves."""

    autoload: bool | None = None
    standard: bool = False
    loaded: set[str]
    broken: dict[str, str]

    def __init__(self) -> None:
        self.loaded = set()
        self.broken = {}


_state = _State()


def _config_path() -> Path:
    return Path.home() / _CONFIG_FILE


def _autoload() -> bool:
    if _state.autoload is None:
        setting = os.environ.get(_AUTOLOAD_VARIABLE, "")
        if setting:
            _state.autoload = setting.lower() not in ("0", "false", "no")
        else:
            _state.autoload = _configured_autoload()
    return _state.autoload


def _configured_autoload() -> bool:
    import configparser

    parser = configparser.ConfigParser()
    parser.read(_config_path(), encoding="utf-8")
    return parser.getboolean("extensions", "autoload", fallback=True)


def enable_autoload() -> None:
    """Lets extensions load by themselves in this process."""
    _state.autoload = True


def disable_autoload() -> None:
    """Keeps extensions from loading by themselves in this process."""
    _state.autoload = False


def config_enable_autoload() -> None:
    """Writes to the configuration file in the home directory that extensions load."""
    _write_config(True)


def config_disable_autoload() -> None:
    """Writes to the configuration file in the home directory that extensions do not load."""
    _write_config(False)


def _write_config(autoload: bool) -> None:
    import configparser

    parser = configparser.ConfigParser()
    parser.read(_config_path(), encoding="utf-8")
    if not parser.has_section("extensions"):
        parser.add_section("extensions")
    parser.set("extensions", "autoload", str(autoload).lower())
    with _config_path().open("w", encoding="utf-8") as file:
        parser.write(file)


def load_extension(name: str) -> None:
    """Loads an extension by name, importing its library.

    Raises:
        ModuleNotFoundError: There is no such extension, or its library is not installed.
    """
    _load_standard()
    importlib.import_module(f"hamilton.plugins.{name}_extensions")
    _state.loaded.add(name)


def initialize() -> None:
    """Loads the extensions whose libraries are imported already."""
    _load_standard()
    if not _autoload():
        return
    for name, extension in EXTENSIONS.items():
        if extension.library in sys.modules and name not in _state.loaded:
            _try_loading(name)


def _try_loading(name: str) -> None:
    if name in _state.broken:
        return
    try:
        load_extension(name)
    except ImportError as error:
        _state.broken[name] = str(error)
        logger.warning("Extension %r cannot be loaded: %s.", name, error)


def _load_standard() -> None:
    if not _state.standard:
        _state.standard = True
        importlib.import_module("hamilton.io.default_data_loaders")


def register_types(extension_name: str, dataframe_type: Any, column_type: Any) -> None:
    """Registers the dataframe and column type of an extension; None leaves one out."""
    if dataframe_type is not None:
        _DATAFRAME_TYPES[extension_name] = dataframe_type
    if column_type is not None:
        _COLUMN_TYPES[extension_name] = column_type


def get_registered_dataframe_types() -> dict[str, type]:
    """Returns dataframe types by extension, of the libraries that are imported."""
    initialize()
    return dict(_DATAFRAME_TYPES)


def get_registered_column_types() -> dict[str, type]:
    """Returns column types by extension, of the libraries that are imported."""
    initialize()
    return dict(_COLUMN_TYPES)


def dataframe_types() -> tuple[type, ...]:
    """Returns the registered dataframe types that are classes."""
    return tuple(t for t in get_registered_dataframe_types().values() if isinstance(t, type))


def column_types_for(_: Any = None) -> tuple[type, ...]:
    """Returns the registered column types that are classes."""
    return tuple(t for t in get_registered_column_types().values() if isinstance(t, type))


def get_column_type_from_df_type(dataframe_type: Any) -> Any:
    """Returns the column type that belongs to a dataframe type.

    Raises:
        NotImplementedError: The type is not registered; the message tells of an extension that
            could not be loaded, when that may be why.
    """
    initialize()
    for name, registered in _DATAFRAME_TYPES.items():
        if registered is dataframe_type:
            return _COLUMN_TYPES[name]
    for name, registered in _DATAFRAME_TYPES.items():
        if (
            isinstance(registered, type)
            and isinstance(dataframe_type, type)
            and issubclass(dataframe_type, registered)
        ):
            return _COLUMN_TYPES[name]
    home = str(getattr(dataframe_type, "__module__", "")).split(".")[0]
    reason = _state.broken.get(home)
    hint = f" Extension {home!r} could not be loaded: {reason}." if reason else ""
    raise NotImplementedError(f"{dataframe_type!r} is not a registered dataframe type.{hint}")


@functools.singledispatch
def get_column(df: Any, column_name: str) -> Any:
    """Returns a column of a dataframe; extensions register their types.

    Raises:
        NotImplementedError: No extension knows the type.
    """
    raise NotImplementedError(f"No extension takes columns out of {type(df).__name__}.")


@functools.singledispatch
def fill_with_scalar(df: Any, column_name: str, scalar_value: Any) -> Any:
    """Returns a dataframe with a column of one value added; extensions register their types.

    Raises:
        NotImplementedError: No extension knows the type.
    """
    raise NotImplementedError(f"No extension fills columns of {type(df).__name__}.")


def register_adapter(adapter: Any) -> None:
    """Registers a loader, a saver, or a class that is both, under the key it names.

    Raises:
        TypeError: The class is not a dataclass, or neither a loader nor a saver.
    """
    import dataclasses

    from hamilton.io.data_adapters import DataLoader, DataSaver

    if not dataclasses.is_dataclass(adapter):
        raise TypeError(f"{adapter!r} must be a dataclass: its fields are its arguments.")
    known = False
    cls: Any = adapter
    if issubclass(cls, DataLoader):
        _add(LOADER_REGISTRY, adapter)
        known = True
    if issubclass(cls, DataSaver):
        _add(SAVER_REGISTRY, adapter)
        known = True
    if not known:
        raise TypeError(f"{adapter!r} must derive from DataLoader or DataSaver.")


def _add(registry: dict[str, list[Any]], adapter: Any) -> None:
    classes = registry.setdefault(adapter.name(), [])
    if adapter not in classes:
        classes.append(adapter)


def adapter_keys(kind: str) -> list[str]:
    """Returns the keys of all ``loaders`` or ``savers`` that can be had here, sorted."""
    initialize()
    found = set(LOADER_REGISTRY if kind == "loaders" else SAVER_REGISTRY)
    if _autoload():
        for extension in EXTENSIONS.values():
            if _installed(extension.library):
                found |= _keys(extension, kind)
    return sorted(found)


def adapters_for(kind: str, key: str) -> list[Any]:
    """Returns the ``loaders`` or ``savers`` under a key, loading extensions that have it."""
    initialize()
    registry: dict[str, list[Any]] = LOADER_REGISTRY if kind == "loaders" else SAVER_REGISTRY
    if not registry.get(key) and _autoload():
        for name in _extensions_with(kind, key):
            _try_loading(name)
    return list(registry.get(key, ()))


def load_all_for(kind: str, key: str) -> list[Any]:
    """Returns the adapters under a key after loading every installed extension that has it."""
    if _autoload():
        for name in _extensions_with(kind, key):
            _try_loading(name)
    return adapters_for(kind, key)


def _extensions_with(kind: str, key: str) -> Iterable[str]:
    for name, extension in EXTENSIONS.items():
        if key not in _keys(extension, kind) or name in _state.loaded or extension.own_types:
            continue
        if _installed(extension.library):
            yield name


def _keys(extension: Extension, kind: str) -> frozenset[str]:
    return extension.loaders if kind == "loaders" else extension.savers


def missing_for(kind: str, key: str) -> list[Extension]:
    """Returns the extensions that have a key but whose libraries are not installed."""
    return [
        extension
        for extension in EXTENSIONS.values()
        if key in _keys(extension, kind) and not _installed(extension.library)
    ]


def _installed(library: str) -> bool:
    if library in sys.modules:
        return True
    try:
        # Of the top package only: looking further down would import it.
        return importlib.util.find_spec(library.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
