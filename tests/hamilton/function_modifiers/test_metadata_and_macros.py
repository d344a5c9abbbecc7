import pandas as pd
import pytest

from hamilton.function_modifiers import (
    InvalidDecoratorException,
    ResolveAt,
    cache,
    does,
    dynamic_transform,
    extract_fields,
    model,
    parameterize,
    resolve,
    resolve_from_config,
    schema,
    tag,
    tag_outputs,
    value,
)
from hamilton.function_modifiers.metadata import ray_remote_options
from hamilton.models import BaseModel, DynamicTransformBase


def tags(dr):
    return {v.name: v.tags for v in dr.list_available_variables()}


def test_tag_targets(build):
    @tag(x="final")
    @tag(y="all", target_=...)
    @tag(z="frame", target_="fields")
    @extract_fields({"p": int})
    def fields() -> dict:
        return {"p": 1}

    found = tags(build(fields))
    assert found["p"]["x"] == "final"
    assert "x" not in found["fields"]
    assert found["fields"]["y"] == found["p"]["y"] == "all"
    assert found["fields"]["z"] == "frame"
    assert "z" not in found["p"]


def test_unknown_target_is_named_with_what_exists(build):
    @tag(x="1", target_="nope")
    def f() -> int:
        return 1

    with pytest.raises(InvalidDecoratorException, match=r"Could not find node nope in \['f'\]"):
        build(f)


def test_bad_tags_are_listed_together():
    with pytest.raises(InvalidDecoratorException) as error:

        @tag(**{"module.x": "v", "a b": "v", "ok": 5, "many": ["x", "x"]})
        def f() -> int:
            return 1

    text = str(error.value)
    assert "reserved namespace 'module'" in text
    assert "'a b'" in text
    assert "'ok' must be" in text
    assert "repeated" in text


def test_tag_outputs_tags_each_node(build):
    @tag_outputs(one={"k": "1"}, two={"k": "2"}, absent={"k": "3"})
    @parameterize(one={"x": value(1)}, two={"x": value(2)})
    def f(x: int) -> int:
        return x

    found = tags(build(f))
    assert (found["one"]["k"], found["two"]["k"]) == ("1", "2")


def test_schema_output_is_stored_and_needs_a_dataframe(build):
    @schema.output(("a", "int"), ("b", "str"))
    def frame() -> pd.DataFrame:
        return pd.DataFrame()

    assert tags(build(frame))["frame"]["hamilton.internal.schema_output"] == "a=int,b=str"

    @schema.output(("a", "int"))
    def number() -> int:
        return 1

    with pytest.raises(InvalidDecoratorException, match="not a registered dataframe type"):
        build(number)


def test_cache_and_ray_options_are_tags(build):
    @cache(behavior="recompute", format="json")
    @ray_remote_options(num_cpus=2)
    def f() -> dict:
        return {}

    found = tags(build(f))["f"]
    assert found["cache.behavior"] == "recompute"
    assert found["cache.format"] == "json"
    assert found["ray_remote.num_cpus"] == "2"
    with pytest.raises(InvalidDecoratorException, match="behavior"):
        cache(behavior="sometimes")


def _add_all(**numbers):
    return sum(numbers.values())


def _scaled(amount, factor):
    return amount * factor


def test_does_replaces_the_body(build):
    @does(_add_all)
    def total(a: int, b: int = 5) -> int:
        """Adds."""

    @does(_scaled, amount="a")
    def scaled(a: int, factor: int) -> int:
        pass

    dr = build(total, scaled)
    assert dr.execute(["total", "scaled"], inputs={"a": 1, "factor": 3}) == {
        "total": 6,
        "scaled": 3,
    }


def test_does_refuses_bodies_and_unfit_signatures():
    with pytest.raises(InvalidDecoratorException, match="must be empty"):

        @does(_add_all)
        def one(a: int) -> int:
            return 1

    with pytest.raises(InvalidDecoratorException, match="cannot be called"):

        @does(_scaled)
        def two(a: int) -> int:
            pass


class Weighted(DynamicTransformBase):
    def __init__(self, config_parameters, name, bias=0):
        super().__init__(config_parameters, name)
        self.bias = bias

    def get_dependents(self):
        return list(self.config_parameters)

    def compute(self, **inputs):
        return sum(inputs[k] * w for k, w in self.config_parameters.items()) + self.bias


class Predicting(BaseModel):
    def get_dependents(self):
        return ["a"]

    def predict(self, **columns):
        return columns["a"] * self.config_parameters


def test_dynamic_transform_and_model(build):
    @dynamic_transform(Weighted, "weights", bias=1)
    def weighted() -> pd.Series:
        """Sums."""

    @model(Predicting, "factor")
    def predicted() -> pd.Series:
        pass

    a, b = pd.Series([1, 2]), pd.Series([10, 20])
    dr = build(weighted, predicted, config={"weights": {"a": 1, "b": 2}, "factor": 3})
    result = dr.execute(["weighted", "predicted"], inputs={"a": a, "b": b})
    assert result["weighted"].tolist() == [22, 43]
    assert result["predicted"].tolist() == [3, 6]
    with pytest.raises(InvalidDecoratorException, match="weights"):
        build(weighted)


def test_resolve_makes_the_modifier_from_config(build):
    @resolve(
        when=ResolveAt.CONFIG_AVAILABLE,
        decorate_with=lambda names, step=1: parameterize(
            **{n: {"x": value(i * step)} for i, n in enumerate(names)}
        ),
    )
    def f(x: int) -> int:
        return x

    dr = build(f, config={"names": ["p", "q"], "step": 10})
    assert dr.execute(["p", "q"]) == {"p": 0, "q": 10}
    with pytest.raises(InvalidDecoratorException, match="needs the configuration keys"):
        build(f)


def test_resolve_from_config_accepts_the_power_user_key(build):
    @resolve_from_config(decorate_with=lambda fields: extract_fields(fields))
    def f() -> dict:
        return {"p": 1}

    given = {"fields": {"p": int}, "hamilton.enable_power_user_mode": True}
    assert build(f, config=given).execute(["p"]) == {"p": 1}
