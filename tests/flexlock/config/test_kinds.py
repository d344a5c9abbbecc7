"""Every kind of config is read, changed by -o, handed over and given back alike."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import typing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pydantic
import pytest
from hydra_zen import builds
from omegaconf import DictConfig, OmegaConf
from pydantic.v1 import BaseModel as OldBaseModel

from flexlock.config import describe, restore, to_config, to_plain
from flexlock.config.layers import Layers, assemble
from flexlock.config.overrides import read_overrides
from flexlock.config.restoring import finish
from flexlock.errors import ConfigError


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Inner:
    lr: float = 0.1
    name: str = "adam"


class Plain:
    param = 1
    path = Path("data")
    inner = Inner()
    save_dir = "out"

    def method(self) -> int:
        return self.param * 2


class Derived(Plain):
    more = 2
    save_dir = "elsewhere"


class Slots:
    __slots__ = ("inner", "param", "path", "save_dir")

    def __init__(self, param: int = 1) -> None:
        self.param, self.path, self.inner, self.save_dir = param, Path("data"), Inner(), "out"


@dataclasses.dataclass(frozen=True)
class Data:
    param: int = 1
    path: Path = Path("data")
    inner: Inner = dataclasses.field(default_factory=Inner)
    save_dir: str = "out"


class Model(pydantic.BaseModel):
    param: int = pydantic.Field(1, ge=0, description="how many")
    path: Path = Path("data")
    inner: Inner = Inner()
    save_dir: str = "out"


class OldModel(OldBaseModel):
    param: int = 1
    path: Path = Path("data")
    save_dir: str = "out"


@attrs.define
class Attrs:
    param: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    path: Path = Path("data")
    inner: Inner = attrs.Factory(Inner)
    save_dir: str = "out"


class Named(typing.NamedTuple):
    param: int = 1
    path: Path = Path("data")
    inner: Inner = Inner()
    save_dir: str = "out"


VALUES: dict[str, Any] = {
    "param": 1, "path": Path("data"), "inner": {"lr": 0.1, "name": "adam"}, "save_dir": "out"
}  # fmt: skip

KINDS = {
    "plain class": Plain,
    "plain instance": Plain(),
    "slots": Slots(),
    "dataclass": Data,
    "dataclass instance": Data(),
    "pydantic": Model,
    "pydantic instance": Model(),
    "attrs": Attrs,
    "attrs instance": Attrs(),
    "named tuple": Named,
    "named tuple instance": Named(),
    "dictionary": dict(VALUES),
    "omegaconf": OmegaConf.create(dict(VALUES)),
    "simple namespace": SimpleNamespace(**VALUES),
    "argparse namespace": argparse.Namespace(**VALUES),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def source(request: pytest.FixtureRequest) -> Any:
    return request.param


def values(config: DictConfig) -> Any:
    return OmegaConf.to_container(config)


def test_values_are_the_same_for_every_kind(source: Any) -> None:
    config = to_config(source)
    assert values(config) == VALUES
    assert isinstance(config.path, Path)
    assert config.param == config["param"] == 1


def test_overrides_change_every_kind(source: Any) -> None:
    layers = Layers(overrides=read_overrides(["param", "5", "inner.lr=1", "path=x/y"]))
    config = finish(assemble(source, layers))
    assert (config.param, config.inner.lr, config.path) == (5, 1, Path("x/y"))
    assert isinstance(config.path, Path)


def test_source_is_not_changed(source: Any) -> None:
    before = to_plain(source)
    config = finish(assemble(source, Layers(overrides=read_overrides(["param", "5"]))))
    config.inner.lr = 7
    assert to_plain(source) == before


@pytest.mark.parametrize(
    "source",
    [k for n, k in KINDS.items() if n not in ("dictionary", "omegaconf", "argparse namespace")],
)
def test_instances_come_back_with_new_values(source: Any) -> None:
    config = finish(assemble(source, Layers(overrides=read_overrides(["param", "5"]))))
    instance = restore(source, config)
    assert type(instance) is (source if isinstance(source, type) else type(source))
    assert instance.param == 5
    assert instance.path == Path("data")
    inner = instance.inner
    assert inner == Inner() or inner == VALUES["inner"]


def test_methods_work_on_instances() -> None:
    config = finish(assemble(Plain, Layers(overrides=read_overrides(["param", "5"]))))
    assert restore(Plain, config).method() == 10
    assert Plain.param == 1


def test_unknown_names_are_refused_where_names_are_declared(source: Any) -> None:
    layers = Layers(overrides=read_overrides(["parm", "5"]))
    if isinstance(source, (dict, DictConfig, SimpleNamespace, argparse.Namespace)):
        assert assemble(source, layers).config.parm == 5
    else:
        with pytest.raises(ConfigError, match=r"no parameter 'parm'\. Did you mean 'param'"):
            assemble(source, layers)


def test_inherited_attributes_count_and_are_overridden() -> None:
    assert values(to_config(Derived)) == {**VALUES, "save_dir": "elsewhere", "more": 2}


def test_class_attributes_lie_under_instance_attributes() -> None:
    instance = Derived()
    instance.more = 9
    instance.extra = "new"  # type: ignore[attr-defined]
    assert values(to_config(instance))["more"] == 9
    assert values(to_config(instance))["extra"] == "new"


def test_old_pydantic_models_are_configs_too() -> None:
    layers = Layers(overrides=read_overrides(["param", "5"]))
    config = finish(assemble(OldModel, layers))
    assert isinstance(restore(OldModel, config), OldModel)
    with pytest.raises(ConfigError, match="'param' must be int, not 'x'"):
        assemble(OldModel, Layers(overrides=read_overrides(["param", "x"])))


class Loose(pydantic.BaseModel, extra="allow"):
    param: int = 1


def test_models_that_allow_more_get_more() -> None:
    layers = Layers(overrides=read_overrides(["more", "3", "param=2"]))
    config = finish(assemble(Loose, layers))
    assert restore(Loose, config).model_dump() == {"param": 2, "more": 3}


class Empty(pydantic.BaseModel):
    """A model without fields."""


def test_empty_model_is_a_config() -> None:
    assert values(to_config(Empty)) == {}
    assert restore(Empty, to_config(Empty)) == Empty()


def test_pydantic_validates_the_merged_values() -> None:
    draft = assemble(Model, Layers(overrides=read_overrides(["param", "-1"])))
    with pytest.raises(ConfigError, match=r"'param' cannot be -1: Input should be greater"):
        finish(draft)


def test_validators_of_attrs_speak_when_the_instance_is_made() -> None:
    config = finish(assemble(Attrs, Layers(overrides=read_overrides(["param", "-1"]))))
    with pytest.raises(ConfigError, match="does not take this config"):
        restore(Attrs, config)


class Movie(typing.TypedDict):
    title: str
    year: typing.NotRequired[int]


def test_typed_dictionaries_say_which_keys_there_are() -> None:
    with pytest.raises(ConfigError, match="No value for 'title'"):
        finish(assemble(Movie))
    config = finish(assemble(Movie, Layers(overrides=read_overrides(["title=007", "year", "3"]))))
    assert restore(Movie, config) == {"title": "007", "year": 3}


def test_nothing_is_an_empty_open_config() -> None:
    assert values(to_config(None)) == {}
    assert assemble(None, Layers(overrides=read_overrides(["a.b", "1"]))).config.a.b == 1


def test_hydra_zen_builds_are_configs() -> None:
    conf = builds(Inner, lr=0.5, populate_full_signature=True)
    config = finish(assemble(conf, Layers(overrides=read_overrides(["lr", "2"]))))
    assert config.lr == 2.0
    assert str(config._target_).endswith("Inner")
    assert [f.name for f in describe(conf)] == ["lr", "name"]


def test_structured_omegaconf_keeps_its_own_checks() -> None:
    config = OmegaConf.structured(Inner)
    assert assemble(config, Layers(overrides=read_overrides(["name", "007"]))).config.name == "007"
    with pytest.raises(ConfigError, match="'lr' must be float"):
        assemble(config, Layers(overrides=read_overrides(["lr", "fast"])))
    with pytest.raises(ConfigError, match="no parameter 'lrr'"):
        assemble(config, Layers(overrides=read_overrides(["lrr", "1"])))


@pytest.mark.parametrize("value", [1, "text", [1], (1, 2), object, int, b"x", {1}])
def test_values_that_are_no_configs_are_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="not a config"):
        to_config(value)


@dataclasses.dataclass
class Wide:
    integers: list[int] = dataclasses.field(default_factory=list)
    pair: tuple[int, str] = (1, "a")
    names: set[str] = dataclasses.field(default_factory=lambda: {"x"})
    inners: list[Inner] = dataclasses.field(default_factory=lambda: [Inner()])
    maybe: Inner | None = None
    by_name: dict[str, Inner] = dataclasses.field(default_factory=dict)
    color: Color = Color.RED
    mode: typing.Literal["fast", "slow", 3] = "fast"
    number: int | str = 1
    flag: bool = False
    text: str = ""
    optional: str | None = None
    untyped = 5


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("integers=[1,2]", [1, 2]),
        ("pair=[3,007]", (3, "007")),
        ("names=[a,b]", {"a", "b"}),
        ("inners=[{lr: 2}]", [Inner(2.0)]),
        ("maybe={name: x}", Inner(name="x")),
        ("maybe.lr=3", Inner(3.0)),
        ("by_name={a: {lr: 1}}", {"a": Inner(1.0)}),
        ("color=BLUE", Color.BLUE),
        ("color=2", Color.BLUE),
        ("mode=slow", "slow"),
        ("mode=3", 3),
        ("number=7", 7),
        ("number=x7", "x7"),
        ("flag=yes", True),
        ("flag=0", False),
        ("text=007", "007"),
        ("text=[a-z]", "[a-z]"),
        ("text=null", "null"),
        ("optional=null", None),
        ("optional=1e-3", "1e-3"),
        ("untyped=x", "x"),
    ],
)
def test_declared_types_win(word: str, value: Any) -> None:
    name = word.partition("=")[0].partition(".")[0]
    config = finish(assemble(Wide, Layers(overrides=read_overrides([word]))))
    assert getattr(restore(Wide, config), name) == value


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("integers=[1,x]", r"'integers' must be list\[int\], not '\[1,x\]'"),
        ("integers=3", r"write a list as \[a, b\]"),
        ("pair=[1]", "2 values are needed"),
        ("color=GREEN", r"'color' must be RED | BLUE, not 'GREEN'"),
        ("mode=fats", "Did you mean 'fast'"),
        ("flag=maybe", "write true or false"),
        ("inners=[{lrr: 2}]", "no parameter 'lrr'.*Did you mean 'lr'"),
        ("maybe.lrr=3", "no parameter 'maybe.lrr'"),
        ("text.x=1", "it has no parameters"),
        ("integers=[1", "does not end"),
    ],
)
def test_values_that_do_not_fit_name_key_type_and_value(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assemble(Wide, Layers(overrides=read_overrides([word])))


class Hints:
    path = Path("a")
    flag = True
    color = Color.RED


def test_defaults_that_text_cannot_spell_are_hints() -> None:
    words = ["path=b", "flag=no", "color=BLUE"]
    config = assemble(Hints, Layers(overrides=read_overrides(words))).config
    assert (config.path, config.flag, config.color) == (Path("b"), False, Color.BLUE)
    assert assemble(Hints, Layers(overrides=read_overrides(["flag=auto"]))).config.flag == "auto"


class Documented:
    """A config.

    Attributes:
        first: from the section
    """

    first = 1
    second = 2  # from the comment
    # from the line above
    third: int = 3
    fourth = 4
    """From the string below."""
    fifth = 5  # noqa: RUF100


def test_documentation_is_found_where_people_write_it() -> None:
    docs = {field.name: field.doc for field in describe(Documented)}
    assert docs == {
        "third": "from the line above",
        "first": "from the section",
        "second": "from the comment",
        "fourth": "From the string below.",
        "fifth": "",
    }


@dataclasses.dataclass
class Described:
    size: int = dataclasses.field(metadata={"help": "how big"})
    rate: typing.Annotated[float, "how fast"] = 0.5
    inner: Inner = dataclasses.field(default_factory=Inner)


def train(lr: float, layers: list[int] | None = None) -> None:
    """Train.

    Parameters
    ----------
    lr : float
        the learning rate
        of the optimizer
    layers
        widths
    """


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            Described,
            [
                ("size", "int", True, "how big"),
                ("rate", "float", False, "how fast"),
                ("inner.lr", "float", False, ""),
                ("inner.name", "str", False, ""),
            ],
        ),
        (Model, [("param", "int", False, "how many")]),
        (
            train,
            [
                ("lr", "float", True, "the learning rate of the optimizer"),
                ("layers", "list[int] | None", False, "widths"),
            ],
        ),
        (Wide, [("integers", "list[int]", False, "")]),
    ],
)
def test_parameters_are_described(source: Any, expected: list[Any]) -> None:
    fields = [(f.name, f.type, f.is_required, f.doc) for f in describe(source)]
    assert fields[: len(expected)] == expected
