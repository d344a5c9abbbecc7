import logging

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pydantic
import pytest

from hamilton.data_quality.base import (
    AsyncDataValidator,
    DataValidationError,
    DataValidator,
    ValidationResult,
)
from hamilton.data_quality.default_validators import resolve_default_validators
from hamilton.function_modifiers import check_output, check_output_custom, extract_fields

S = pd.Series


@pytest.mark.parametrize(
    ("argument", "given", "type_", "good", "bad"),
    [
        ("range", (0, 1), S, S([0.0, 1.0]), S([0.5, np.nan])),
        ("range", (0, 1), float, 1.0, 1.1),
        ("range", (0, 1), int, 0, 2),
        ("values_in", [1, 2], S, S([1, None]), S([1, 3])),
        ("values_in", [1, 2], int, 1, 3),
        ("values_in", ["a"], str, "a", "b"),
        ("data_type", np.int64, S, S([1]), S([1.5])),
        ("data_type", int, int, 1, "x"),
        ("data_type", str, str, "x", 1),
        ("max_fraction_nans", 0.5, S, S([1, None]), S([None, None], dtype=float)),
        ("allow_nans", False, S, S([1.0]), S([None, 1.0])),
        ("max_standard_dev", 1.0, S, S([1, 2]), S([0, 100])),
        ("mean_in_range", (0, 2), S, S([1, 2]), S([10, 20])),
        ("allow_none", False, dict, {}, None),
        ("contains", ["a", "b"], str, "cab", "a"),
        ("contains", "a", str, "cab", "x"),
        ("does_not_contain", ["x"], str, "cab", "x"),
    ],
)
def test_default_validators(argument, given, type_, good, bad):
    (validator,) = resolve_default_validators(type_, "warn", **{argument: given})
    assert validator.name() == f"{argument}_validator"
    assert validator.description()
    passed, failed = validator.validate(good), validator.validate(bad)
    assert passed.passes is True
    assert failed.passes is False
    assert failed.message


def test_bad_arguments_are_refused_at_construction(build):
    for arguments in ({"max_fraction_nans": 2}, {"allow_nans": True}):
        with pytest.raises(ValueError, match="nans"):
            resolve_default_validators(S, "warn", **arguments)

    @check_output(wrong=1)
    def f() -> int:
        return 1

    with pytest.raises(ValueError, match="Could not resolve validators for @check_output for fun"):
        build(f)

    @check_output(importance="perhaps", range=(0, 1))
    def g() -> int:
        return 1

    with pytest.raises(ValueError, match="Could not resolve validators"):
        build(g)


def test_expansion_names_and_tags(build):
    @check_output(range=(0, 10), values_in=[1, 2])
    def f(x: int) -> int:
        return x

    dr = build(f)
    tags = {v.name: v.tags for v in dr.list_available_variables()}
    assert set(tags) == {"f", "f_raw", "f_range_validator", "f_values_in_validator", "x"}
    assert tags["f_range_validator"]["hamilton.data_quality.contains_dq_results"] is True
    assert tags["f_range_validator"]["hamilton.data_quality.source_node"] == "f"
    result = dr.execute(["f", "f_range_validator"], inputs={"x": 1})
    assert result["f"] == 1
    assert result["f_range_validator"].passes


def test_warnings_are_logged_and_failures_gathered(build, caplog):
    @check_output(range=(0, 1))
    def warned() -> int:
        return 5

    @check_output(importance="fail", range=(0, 1), values_in=[7])
    def failed() -> int:
        return 5

    dr = build(warned, failed)
    with caplog.at_level(logging.WARNING, logger="hamilton.data_quality.base"):
        assert dr.execute(["warned"]) == {"warned": 5}
    assert "[warned:range_validator] validator failed. Message was: " in caplog.text
    with pytest.raises(DataValidationError) as error:
        dr.execute(["failed"])
    assert len(error.value.args[0]) == 2


def test_stacked_checks_merge(build):
    @check_output(importance="fail", range=(0, 10))
    @check_output(range=(0, 5))
    def f() -> int:
        return 7

    dr = build(f)
    names = {v.name for v in dr.list_available_variables()}
    assert names == {"f", "f_raw", "f_range_validator", "f_range_validator_1"}
    assert dr.execute(["f"]) == {"f": 7}


def test_check_on_a_target(build):
    @check_output(importance="fail", target_="p", range=(0, 1))
    @extract_fields({"p": int, "q": int})
    def fields() -> dict:
        return {"p": 5, "q": 5}

    dr = build(fields)
    assert dr.execute(["q"]) == {"q": 5}
    with pytest.raises(DataValidationError):
        dr.execute(["p"])


class Even(DataValidator):
    def applies_to(self, datatype):
        return datatype is int

    def description(self):
        return "is even"

    @classmethod
    def name(cls):
        return "even"

    def validate(self, dataset):
        return ValidationResult(dataset % 2 == 0, f"{dataset} is odd")


class AsyncEven(AsyncDataValidator, Even):
    async def validate(self, dataset):
        return ValidationResult(dataset % 2 == 0, f"{dataset} is odd")


def test_custom_validators(build):
    @check_output_custom(Even("fail"))
    def f(x: int) -> int:
        return x

    dr = build(f)
    assert dr.execute(["f"], inputs={"x": 2}) == {"f": 2}
    with pytest.raises(DataValidationError, match="3 is odd"):
        dr.execute(["f"], inputs={"x": 3})


def test_async_validators_run_in_the_async_driver():
    import asyncio

    from hamilton import ad_hoc_utils, async_driver

    @check_output_custom(AsyncEven("fail"))
    async def f(x: int) -> int:
        return x

    async def main(x):
        module = ad_hoc_utils.create_temporary_module(f)
        dr = await async_driver.Builder().with_modules(module).build()
        return await dr.execute(["f"], inputs={"x": x})

    assert asyncio.run(main(2)) == {"f": 2}
    with pytest.raises(DataValidationError):
        asyncio.run(main(3))


@pytest.mark.slow
def test_pandera_schema(build):
    schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))})

    @check_output(importance="fail", schema=schema)
    def frame(low: int) -> pd.DataFrame:
        return pd.DataFrame({"a": [low, 1]})

    dr = build(frame)
    assert len(dr.execute(["frame"], inputs={"low": 0})["frame"]) == 2
    with pytest.raises(DataValidationError):
        dr.execute(["frame"], inputs={"low": -1})


class Model(pydantic.BaseModel):
    n: int


def test_pydantic_model(build):
    @check_output(importance="fail", model=Model)
    def facts(n: object) -> dict:
        return {"n": n}

    dr = build(facts)
    assert dr.execute(["facts"], inputs={"n": 1}) == {"facts": {"n": 1}}
    with pytest.raises(DataValidationError):
        dr.execute(["facts"], inputs={"n": "x"})


def test_pydantic_model_of_the_annotation(build):
    from hamilton.function_modifiers import InvalidDecoratorException
    from hamilton.plugins import h_pydantic

    @h_pydantic.check_output(importance="fail")
    def made(n: object) -> Model:
        return Model.model_construct(n=n)

    dr = build(made)
    assert dr.execute(["made"], inputs={"n": 1})["made"].n == 1
    with pytest.raises(DataValidationError):
        dr.execute(["made"], inputs={"n": "x"})

    @h_pydantic.check_output()
    def plain() -> int:
        return 1

    with pytest.raises(InvalidDecoratorException, match="pydantic model"):
        build(plain)


@pytest.mark.slow
def test_pandera_model_of_the_annotation(build):
    from hamilton.function_modifiers import InvalidDecoratorException
    from hamilton.plugins import h_pandera

    class Positive(pa.DataFrameModel):
        a: int = pa.Field(ge=0)

    @h_pandera.check_output(importance="fail")
    def frame(low: int):
        return pd.DataFrame({"a": [low]})

    frame.__annotations__["return"] = pa.typing.DataFrame[Positive]

    def rows(frame: pd.DataFrame) -> int:
        return len(frame)

    dr = build(frame, rows)
    assert dr.execute(["rows"], inputs={"low": 0}) == {"rows": 1}
    with pytest.raises(DataValidationError):
        dr.execute(["rows"], inputs={"low": -1})

    @h_pandera.check_output()
    def plain() -> int:
        return 1

    with pytest.raises(InvalidDecoratorException, match="DataFrame"):
        build(plain)
