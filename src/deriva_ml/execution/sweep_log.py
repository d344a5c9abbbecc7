"""What launchers of Hydra log of their jobs, without secrets.

They name each job by its overrides, on the screen and in whatever keeps what is on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from hydra.core.utils import filter_overrides
from hydra.plugins.launcher import Launcher

from .secrets import masked_words

__all__ = ["masked_log"]


@contextmanager
def masked_log(launcher: Launcher, jobs: Iterable[Sequence[str]]) -> Iterator[None]:
    """Mask the secrets of jobs in what a launcher logs within the block.

    Args:
        launcher: One that logs under the name of its module, or of `_core` beside that.
        jobs: The overrides of the jobs.
    """
    told = [filter_overrides(words) for words in jobs]
    shown = {" ".join(words): " ".join(masked_words(words)) for words in told}
    secret = {text: masked for text, masked in shown.items() if text != masked}

    def mask(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for words, masked in secret.items():
            text = text.replace(words, masked)
        record.msg, record.args = text, ()
        return True

    module = type(launcher).__module__
    names = (module, f"{module.rpartition('.')[0]}._core") if secret else ()
    for name in names:
        logging.getLogger(name).addFilter(mask)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeFilter(mask)
