import pytest

from hamilton import driver
from hamilton.caching.adapter import CachingBehavior, HamiltonCacheAdapter

# What runs: at first, again, with another input, in a new driver with the first input.
EXPECTED = [
    ({}, ["a b c", "", "a b c", ""]),
    ({"recompute": ["b"]}, ["a b c", "b", "a b c", "b"]),
    ({"disable": ["b"]}, ["a b c", "b c", "a b c", "b c"]),
    ({"ignore": ["b"]}, ["a b c", "b", "a b c", "b"]),
    ({"recompute": True}, ["a b c", "a b c", "a b c", "a b c"]),
    ({"disable": True}, ["a b c", "a b c", "a b c", "a b c"]),
    ({"ignore": True}, ["a b c", "a b c", "a b c", "a b c"]),
    ({"default_behavior": "disable", "default": ["a"]}, ["a b c", "b c", "a b c", "b c"]),
]


@pytest.mark.parametrize(("setting", "expected"), EXPECTED)
def test_behavior_decides_which_functions_run(chain, setting, expected):
    dr = chain.driver(**setting)
    found = [chain.ran(dr), chain.ran(dr), chain.ran(dr, x=2)]
    found.append(chain.ran(chain.driver(**setting)))
    assert found == expected


def test_behavior_names_are_read_whatever_their_case():
    assert CachingBehavior.from_string("ReCompute") is CachingBehavior.RECOMPUTE
    with pytest.raises(KeyError, match="sometimes"):
        CachingBehavior.from_string("sometimes")


def test_a_node_in_two_lists_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Multiple caching behaviors specified by Driver for node"):
        HamiltonCacheAdapter(tmp_path, recompute=["a"], disable=["a"])


def test_two_lists_for_all_nodes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Can only set one of"):
        HamiltonCacheAdapter(tmp_path, recompute=True, disable=True)


def test_a_second_cache_is_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple cache adapters"):
        driver.Builder().with_cache(tmp_path).with_cache(tmp_path)


def test_the_driver_gives_its_cache_or_none(chain):
    assert isinstance(chain.driver().cache, HamiltonCacheAdapter)
    assert driver.Builder().with_modules(chain.module).build().cache is None


def test_an_override_is_a_value_like_any_other(chain):
    dr = chain.driver()
    assert dr.execute(["c"], inputs={"x": 1}, overrides={"b": 10}) == {"c": 11}
    assert chain.ran(dr) == "a b c"
    assert dr.execute(["c"], inputs={"x": 1}, overrides={"b": 10}) == {"c": 11}
