"""The configuration of a notebook: how it is stored, composed and shown."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ..core.exceptions import DerivaMLConfigurationError
from ..execution.base_config import BaseConfig

__all__ = [
    "Composed",
    "compose",
    "compose_only",
    "get_notebook_configuration",
    "notebook_config",
    "render_notebook_config",
]

_DEFAULTS = {
    "deriva_ml": "default_deriva",
    "optional datasets": "default_dataset",
    "optional assets": "default_asset",
}
_CFG = ("job", "hydra", "all")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


@dataclass(frozen=True, slots=True)
class Composed:
    """A configuration that Hydra has put together.

    Attributes:
        config: The configuration's object; its groups are objects too.
        choices: The option chosen from each group.
        overrides: The words that changed it.
        fingerprint: Tells runs of the same configuration from others.
    """

    config: Any
    choices: dict[str, str]
    overrides: tuple[str, ...]
    fingerprint: str


def notebook_config(
    name: str,
    config_class: type[Any] | None = None,
    defaults: Mapping[str, str] | None = None,
    **field_defaults: Any,
) -> Any:
    """Store the configuration of a notebook under its name, and return it.

    Args:
        name: What `run_notebook` and the command call it.
        config_class: A dataclass that inherits from `BaseConfig` and adds parameters; None means
            `BaseConfig`.
        defaults: Options of groups in the place of ``default_deriva``, ``default_dataset`` and
            ``default_asset``; the last two may be absent from a project.
        **field_defaults: Values of fields.

    Raises:
        DerivaMLConfigurationError: A field does not exist.
    """
    from hydra_zen import builds, store

    kind = BaseConfig if config_class is None else config_class
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise DerivaMLConfigurationError(
            f"config_class is {kind!r}, which is no dataclass; inherit from BaseConfig and "
            "decorate the class with @dataclass."
        )
    known = [field.name for field in fields(kind) if field.init]
    for field in field_defaults:
        if field not in known:
            raise DerivaMLConfigurationError(
                f"{kind.__name__} has no field {field!r}.{_near(field, known)} It has: "
                f"{', '.join(known)}."
            )
    groups = dict(defaults or {})
    kept = {k: v for k, v in _DEFAULTS.items() if k.removeprefix("optional ") not in groups}
    listed: list[Any] = ["_self_", *({g: o} for g, o in {**kept, **groups}.items())]
    made = builds(kind, populate_full_signature=True, hydra_defaults=listed, **field_defaults)
    if (None, name) in store:  # the cell or module was run again
        store.delete_entry(None, name)
    store(made, name=name)
    return made


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def stored_configuration(name: str) -> Any:
    """The stored main configuration of that name.

    Raises:
        DerivaMLConfigurationError: There is none.
    """
    from hydra_zen import store

    known = sorted(entry["name"] for entry in store if entry["group"] is None)
    if name not in known:
        raise DerivaMLConfigurationError(
            f"There is no configuration {name!r}.{_near(name, known)} Stored: "
            f"{', '.join(known)}. A project stores one with notebook_config({name!r})."
        )
    return store[None, name]


def compose(
    config_class: Any,
    config_name: str,
    overrides: Sequence[str] = (),
    *,
    job_name: str = "notebook",
    version_base: str | None = "1.3",
) -> Composed:
    """Have Hydra put a configuration together and make its objects, in a directory of the run's.

    Raises:
        DerivaMLConfigurationError: It cannot be composed, or its values make no objects.
    """
    import hydra.errors
    import hydra_zen
    from omegaconf.errors import OmegaConfBaseException

    from ..core.config import register_hydra_settings
    from ..core.zen_store import settled_words

    register_hydra_settings()
    hydra_zen.store.add_to_hydra_store(overwrite_ok=True)
    overrides = settled_words(overrides, config_name)
    _check_options(overrides)
    try:
        with _no_run_of_hydra():
            job: Any = hydra_zen.launch(
                config_class,
                _take,
                overrides=[f"hydra.job.name={job_name}", *overrides],
                config_name=config_name,
                job_name=job_name,
                version_base=version_base,
            )
        taken: Composed = job.return_value
    except (hydra.errors.HydraException, OmegaConfBaseException, TypeError, ValueError) as error:
        raise DerivaMLConfigurationError(_why(config_name, error)) from error
    _check_types(config_name, taken.config)
    return taken


def compose_only(config_name: str, overrides: Sequence[str] = ()) -> Composed:
    """What `compose` would return, without a run of Hydra: no directory is made for it.

    Raises:
        DerivaMLConfigurationError: It is not stored, cannot be composed, or its values make no
            objects.
    """
    import hydra.errors
    import hydra_zen
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    from ..core.config import register_hydra_settings
    from ..core.zen_store import settled_words
    from ..execution.resuming import fingerprint_of_content

    stored_configuration(config_name)
    register_hydra_settings()
    hydra_zen.store.add_to_hydra_store(overwrite_ok=True)
    overrides = settled_words(overrides, config_name)
    _check_options(overrides)
    try:
        whole = _put_together(config_name, overrides)
        choices = _choices(whole.hydra)
        words = tuple(str(word) for word in whole.hydra.overrides.task)
        with open_dict(whole):
            whole.pop("hydra")
        content: Any = OmegaConf.to_container(whole, resolve=False)
        config = hydra_zen.instantiate(whole)
    except (hydra.errors.HydraException, OmegaConfBaseException, TypeError, ValueError) as error:
        raise DerivaMLConfigurationError(_why(config_name, error)) from error
    _check_types(config_name, config)
    return Composed(config, choices, words, fingerprint_of_content(content, None))


def _check_options(overrides: Sequence[str]) -> None:
    """Refuse an option that a group does not have; Hydra takes any for an optional group.

    Raises:
        DerivaMLConfigurationError: There is no such option; the message has those there are.
    """
    from hydra_zen import store

    # Those of every notebook; a project may have no options for them.
    options: dict[str, list[str]] = {g.removeprefix("optional "): [] for g in _DEFAULTS}
    for entry in store:
        if entry["group"] is not None and not entry["group"].startswith("hydra"):
            options.setdefault(entry["group"], []).append(entry["name"])
    for word in overrides:
        key, _, value = word.partition("=")
        group = key.lstrip("+").partition("@")[0]
        if group not in options or value.strip() == "null":
            continue
        for chosen in (part.strip(" '\"") for part in value.strip("[] ").split(",")):
            if chosen not in options[group]:
                near = _near(chosen, options[group])
                raise DerivaMLConfigurationError(
                    f"There is no option {chosen!r} of the group {group!r}.{near} It has: "
                    f"{', '.join(sorted(options[group])) or 'none'}."
                )


def _put_together(name: str, overrides: list[str]) -> Any:
    from hydra import initialize
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    with _no_run_of_hydra(), initialize(version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        return hydra.compose_config(
            config_name=name,
            overrides=overrides,
            run_mode=RunMode.RUN,
            with_log_configuration=False,
            from_shell=False,
        )


def _choices(hydra: Any) -> dict[str, str]:
    """The option that was chosen from each group of the project."""
    return {
        str(group): str(option)
        for group, option in hydra.runtime.choices.items()
        if option is not None and not str(group).startswith("hydra/")
    }


@contextlib.contextmanager
def _no_run_of_hydra() -> Iterator[None]:
    """Forget what Hydra knows of a job when it is over: nothing after it is a run of Hydra's."""
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def _take(configuration: Any) -> Composed:
    """The task that Hydra runs: make the objects, and note what Hydra knows of the job."""
    from hydra.core.hydra_config import HydraConfig
    from hydra_zen import instantiate

    from ..execution.resuming import fingerprint_of_job

    job = HydraConfig.get()
    choices = _choices(job)
    written = Path(job.runtime.output_dir) / str(job.output_subdir) / "config.yaml"
    words = tuple(str(word) for word in job.overrides.task)
    config = instantiate(configuration)
    return Composed(config, choices, words, fingerprint_of_job(written, None))


def _check_types(name: str, config: Any) -> None:
    """Refuse a value that is not of the type that a project's own field declares.

    Raises:
        DerivaMLConfigurationError: There is one.
    """
    from omegaconf import OmegaConf

    from .parameters import fits

    common = {field.name for field in fields(BaseConfig)}
    for field in fields(config) if is_dataclass(config) else ():
        if field.name in common:
            continue
        value = getattr(config, field.name)
        plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        hint = field.type if isinstance(field.type, str) else _written(field.type)
        if not fits(hint, plain):
            raise DerivaMLConfigurationError(
                f"The configuration {name!r} declares {field.name!r} as {hint}, and {plain!r} is "
                "none."
            )


def _written(kind: Any) -> str:
    """A type as it is written in a hint."""
    if isinstance(kind, type) and not hasattr(kind, "__args__"):
        return kind.__name__
    return repr(kind).replace("typing.", "").replace("NoneType", "None")


def _why(name: str, error: Exception) -> str:
    text = str(error).partition("Config search path")[0]
    if error.__cause__ is not None and str(error.__cause__):
        text += f" {str(error.__cause__).splitlines()[0]}."
    unknown = re.search(r"Could not override '([^']+)'", text)
    hint = _near(unknown[1], _keys(name)) if unknown is not None else ""
    return f"The configuration {name!r} cannot be composed: {' '.join(text.split())}{hint}"


def _keys(name: str) -> list[str]:
    """What words can change in a configuration: groups, fields, and what is in them."""
    from omegaconf import DictConfig

    whole = _put_together(name, [])
    inside: list[tuple[str, Any]] = [
        (str(key), node) for key, node in whole.items_ex(resolve=False) if key != "hydra"
    ]
    found = [str(group) for group in whole.hydra.runtime.choices]
    for key, node in inside:
        found.append(key)
        if isinstance(node, DictConfig):
            inside += [(f"{key}.{k!s}", n) for k, n in node.items_ex(resolve=False)]
    return [key for key in dict.fromkeys(found) if not key.startswith("hydra")]


def get_notebook_configuration(
    config_class: Any,
    config_name: str,
    overrides: Sequence[str] | None = None,
    job_name: str = "notebook",
    version_base: str = "1.3",
) -> Any:
    """Return a configuration, composed and made into its objects, without a catalog.

    Args:
        config_class: The stored configuration, as `notebook_config` returns it.
        config_name: What Hydra calls it.
        overrides: Words such as ``assets=other`` and ``threshold=0.3``.
        job_name: What Hydra calls the run; its log is named after it.
        version_base: Hydra's version whose defaults hold.

    Raises:
        DerivaMLConfigurationError: It cannot be composed.
    """
    composed = compose(
        config_class, config_name, overrides or (), job_name=job_name, version_base=version_base
    )
    return composed.config


def render_notebook_config(
    config_name: str,
    *,
    overrides: Sequence[str] | None = None,
    cfg_mode: str | None = None,
    info_mode: str | None = None,
) -> str:
    """Return a notebook's configuration as text; nothing is run and no catalog is asked.

    Args:
        config_name: The name that it is stored under.
        overrides: Words that change it.
        cfg_mode: ``job`` (the default), ``hydra`` or ``all``: which part to show.
        info_mode: One of Hydra's own reports instead: ``all``, ``config``, ``defaults``,
            ``defaults-tree``, ``plugins`` or ``searchpath``.

    Raises:
        DerivaMLConfigurationError: There is no such configuration, mode, or option.
    """
    import hydra.errors
    import hydra_zen
    from omegaconf.errors import OmegaConfBaseException

    from ..core.config import register_hydra_settings
    from ..core.zen_store import settled_words

    if cfg_mode is not None and info_mode is not None:
        raise DerivaMLConfigurationError("Give cfg_mode or info_mode, not both.")
    for given, known in ((cfg_mode, _CFG), (info_mode, _INFO)):
        if given is not None and given not in known:
            raise DerivaMLConfigurationError(
                f"{given!r} cannot be shown.{_near(given, known)} There are: {', '.join(known)}."
            )
    stored_configuration(config_name)
    register_hydra_settings()
    hydra_zen.store.add_to_hydra_store(overwrite_ok=True)
    words = settled_words(overrides or (), config_name)
    _check_options(words)
    try:
        return _rendered(config_name, words, cfg_mode or "job", info_mode)
    except (hydra.errors.HydraException, OmegaConfBaseException) as error:
        raise DerivaMLConfigurationError(_why(config_name, error)) from error


def _rendered(name: str, overrides: list[str], part: str, report: str | None) -> str:
    import io

    from hydra import initialize
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    printed = io.StringIO()
    with (
        _no_run_of_hydra(),
        initialize(version_base="1.3"),
        contextlib.redirect_stdout(printed),
    ):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        if report is None:
            hydra.show_cfg(
                config_name=name,
                overrides=overrides,
                cfg_type=part,
                package=None,
                resolve=False,
            )
        else:
            hydra.show_info(report, config_name=name, overrides=overrides, run_mode=RunMode.RUN)
    return printed.getvalue()
