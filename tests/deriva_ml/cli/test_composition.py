"""What is said where Hydra cannot compose a configuration."""

from __future__ import annotations

import pytest
from hydra.errors import MissingConfigException

from deriva_ml.cli.composition import composition_text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("joblib", "Install it: pip install 'derivaml[sweeps]'."),
        ("basik", "Did you mean 'hydra/launcher=basic'? There are: basic."),
    ],
)
def test_a_launcher_that_is_not_installed_says_how_to_get_it(name: str, said: str) -> None:
    text = f"In 'hydra/config': Could not find 'hydra/launcher/{name}'\n\nAvailable options in"
    told = composition_text(MissingConfigException(text, name, ["basic"]))
    assert told.startswith("The configuration cannot be composed: In 'hydra/config': Could not")
    assert said in told
