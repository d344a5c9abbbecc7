"""What launchers of Hydra log of their jobs."""

from __future__ import annotations

import logging

import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher, log
from hydra_plugins.hydra_joblib_launcher import _core
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

from deriva_ml.execution.sweep_log import masked_log

JOBS = [["rate=1", "api_key=hunter2", "hydra.verbose=true"], ["rate=2", "api_key='a b'"]]


@pytest.mark.parametrize(
    ("launcher", "logger"), [(BasicLauncher(), log), (JoblibLauncher(), _core.log)]
)
def test_secrets_are_masked(
    launcher: BasicLauncher | JoblibLauncher,
    logger: logging.Logger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger.name)
    with masked_log(launcher, JOBS):
        logger.info("\t#0 : rate=1 api_key=hunter2")
        logger.info("\t#1 : %s", "rate=2 api_key='a b'")
    first, second = caplog.messages
    assert first.startswith("\t#0 : rate=1 api_key=***")
    assert "hunter2" not in first
    assert second.startswith("\t#1 : rate=2 api_key=***")
    assert "a b" not in second
    logger.info("\t#0 : rate=1 api_key=hunter2")
    assert caplog.messages[-1] == "\t#0 : rate=1 api_key=hunter2"
