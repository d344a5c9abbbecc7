"""How to reach a catalog and where to work: `DerivaMLConfig`, and Hydra's output directories.

Importing this module puts one entry, settings for Hydra, into hydra-zen's ``store``, so that a
program which builds on `DerivaMLConfig` and calls ``store.add_to_hydra_store()`` keeps its runs in
the working directory without another line. Hydra itself learns of it only by that call. Settings
that the program stored before are left alone; to store its own afterwards, it calls
`forget_hydra_settings` first.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

from hydra.conf import HydraConf, RunDir, SweepDir
from hydra_zen import ZenStore, store
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from . import zen_store as zen_store  # it lets hydra-zen's store keep descriptions
from .constants import ML_SCHEMA
from .enums import ConnectionMode
from .host import without_password
from .html_tables import settings_html
from .logging_config import get_logger, is_hydra_initialized
from .omega import fields_of, plain
from .workdir import compute_workdir

__all__ = ["DerivaMLConfig", "compute_workdir", "forget_hydra_settings", "register_hydra_settings"]

_log = get_logger(__name__)

TIMESTAMP = "%Y-%m-%d_%H-%M-%S"
"""Name of a run's directory, as a format of its start time."""


def _as_schemas(value: Any) -> Any:
    """Return the names of schemas as a set; one name may stand alone."""
    value = plain(value)
    return {value} if isinstance(value, str) else value


class DerivaMLConfig(BaseModel):
    """How to reach a catalog, what in it is ours, and where to work.

    Attributes:
        hostname: ``localhost`` for this machine's own store, a server's name or URL, or the
            path of an embedded store.
        catalog_id: Number or name of the catalog.
        domain_schema: The only domain schema; sets the next two.
        domain_schemas: Schemas of the users' tables; None means all that are not the system's.
        default_schema: Where new tables go; None means the only domain schema there is.
        project_name: Prefix of the short identifiers of new terms; None means `default_schema`.
        cache_dir: Where downloads are kept; None means ``cache`` in the working directory.
        working_dir: Base of the directories of runs; see `compute_workdir`.
        hydra_runtime_output_dir: Where Hydra wrote the files of this run; filled in by Hydra.
        ml_schema: Name of the schema of datasets, executions and workflows.
        logging_level: Level of this library's log.
        deriva_logging_level: Level of the catalog library's log.
        credential: What proves who you are; never shown or written. None means look it up.
        s3_bucket: Bucket for bags that get a MINID.
        use_minid: Whether bags get a MINID, which takes a bucket: without one it is off.
        registry: What gives MINIDs: the URL of a folder of records, or the name of an installed
            service; None means a folder of the bucket.
        check_auth: Whether the login is checked when connecting; embedded stores have none.
        clean_execution_dir: Whether a run's directory goes away once all of it is uploaded.
        mode: ``online``, or ``offline`` to work with what is cached.
    """

    model_config = ConfigDict(extra="forbid", use_enum_values=False)

    hostname: str
    catalog_id: str | int = 1
    domain_schema: str | None = None
    domain_schemas: Annotated[set[str] | None, BeforeValidator(_as_schemas)] = None
    default_schema: str | None = None
    project_name: str | None = None
    cache_dir: str | Path | None = None
    working_dir: str | Path | None = None
    hydra_runtime_output_dir: str | Path | None = None
    ml_schema: str = ML_SCHEMA
    logging_level: int = logging.WARNING
    deriva_logging_level: int = logging.WARNING
    credential: Annotated[dict[str, Any] | None, BeforeValidator(plain)] = Field(
        default=None, repr=False, exclude=True
    )
    s3_bucket: str | None = None
    use_minid: bool | None = None
    registry: str | None = None
    check_auth: bool = True
    clean_execution_dir: bool = True
    mode: ConnectionMode = ConnectionMode.online

    @model_validator(mode="before")
    @classmethod
    def _mapped(cls, value: Any) -> Any:
        return fields_of(value)

    @model_validator(mode="after")
    def _complete(self) -> DerivaMLConfig:
        schemas, only = self.domain_schemas, self.domain_schema
        if only is not None:
            if schemas is not None and only not in schemas:
                msg = (
                    f"domain_schema is {only!r}, which domain_schemas {sorted(schemas)!r} does "
                    "not have; give only one of the two."
                )
                raise ValueError(msg)
            self.domain_schemas = schemas or {only}
            self.default_schema = self.default_schema or only
        if self.use_minid and not self.s3_bucket:
            _log.info("No MINIDs are made, because no s3_bucket is configured.")
        self.use_minid = bool(self.s3_bucket) and self.use_minid is not False
        if self.hydra_runtime_output_dir is None:
            self.hydra_runtime_output_dir = _running_hydra_dir()
        return self

    def _repr_html_(self) -> str:
        unset = type(self).model_fields
        shown = {
            name: value
            for name, value in self
            if name in ("hostname", "catalog_id") or value != unset[name].default
        }
        shown.pop("credential", None)
        shown["hostname"] = without_password(self.hostname)
        return settings_html("DerivaMLConfig", shown)

    @staticmethod
    def compute_workdir(
        working_dir: Path | str | None = None,
        catalog_id: str | int | None = None,
        hostname: str | None = None,
    ) -> Path:
        """Return the directory that runs work in; see the function of the same name."""
        return compute_workdir(working_dir, catalog_id, hostname)


def _running_hydra_dir() -> Path | None:
    """Return the output directory of the Hydra job under way, if there is one."""
    if not is_hydra_initialized():
        return None
    from hydra.core.hydra_config import HydraConfig

    config: Any = HydraConfig.instance().cfg
    directory = OmegaConf.select(config, "hydra.runtime.output_dir")
    return Path(directory) if directory else None


def _hydra_base(kind: str, *, _root_: DictConfig) -> str:
    """Return the directory above the runs (``hydra``) or the sweeps (``hydra-sweep``).

    A program without a ``deriva_ml`` section keeps them where Hydra would.
    """
    section = OmegaConf.select(_root_, "deriva_ml", throw_on_missing=False)
    if not isinstance(section, DictConfig):
        return "multirun" if kind == "hydra-sweep" else "outputs"
    working_dir = OmegaConf.select(section, "working_dir", throw_on_missing=False)
    return str(compute_workdir(working_dir) / kind)


def _workdir_resolver(working_dir: Any = None, catalog_id: Any = None, hostname: Any = None) -> str:
    """Return `compute_workdir` as a text, for use in configurations."""
    return str(compute_workdir(working_dir, catalog_id, hostname))


def register_hydra_settings(to: ZenStore = store) -> None:
    """Put Hydra's output directories into `to`, unless it has an entry for Hydra already.

    A run writes to ``<working directory>/hydra/<time>``, job ``n`` of a sweep to
    ``<working directory>/hydra-sweep/<time>/<n>``, Hydra's own files to ``hydra-config`` in it.
    When a sweep ends, its parent execution is closed.
    """
    OmegaConf.register_new_resolver("compute_workdir", _workdir_resolver, replace=True)
    OmegaConf.register_new_resolver("deriva_ml_hydra_base", _hydra_base, replace=True)
    if ("hydra", "config") in to:
        return
    now = "${now:" + TIMESTAMP + "}"
    settings = HydraConf(
        run=RunDir(dir="${deriva_ml_hydra_base:hydra}/" + now),
        sweep=SweepDir(dir="${deriva_ml_hydra_base:hydra-sweep}/" + now, subdir="${hydra.job.num}"),
        output_subdir="hydra-config",
        callbacks={"deriva_ml": {"_target_": "deriva_ml.execution.sweep.FinishSweep"}},
    )
    to(settings, group="hydra", name="config", provider="deriva_ml")


def forget_hydra_settings(of: ZenStore = store) -> None:
    """Take our entry for Hydra out of `of`; a program's own entry stays."""
    if ("hydra", "config") in of and of.get_entry("hydra", "config")["provider"] == "deriva_ml":
        of.delete_entry("hydra", "config")


register_hydra_settings()
