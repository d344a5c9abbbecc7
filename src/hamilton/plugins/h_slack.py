"""A message to a Slack channel when a node fails."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from hamilton.lifecycle.base import BasePostNodeExecute
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

__all__ = ["SlackNotifier"]

logger = logging.getLogger(__name__)

_FENCE = "```"
_LONGEST_TRACE = 2500  # characters; a block of text may have 3,000


class SlackNotifier(BasePostNodeExecute):
    """Tells a channel which node failed, in which run, and why.

    Arguments of the node are not sent. That Slack cannot be reached is logged and does not hide
    the failure of the node.

    Args:
        api_key: Token of a bot that may write to the channel.
        channel: The channel.
        **kwargs: Further arguments of ``slack_sdk.WebClient``.

    Raises:
        ImportError: slack_sdk is not installed.
    """

    def __init__(self, api_key: str, channel: str, **kwargs: Any) -> None:
        try:
            from slack_sdk import WebClient
        except ImportError:
            raise missing_library("slack_sdk", "'derivaml[observing]'") from None
        self.channel = channel
        self._arguments = {"token": api_key, **kwargs}
        self.client = WebClient(**self._arguments)

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Sends the message if the node has failed."""
        if error is None:
            return
        from slack_sdk.errors import SlackClientError

        where = f" of task `{_escaped(task_id)}`" if task_id else ""
        headline = (
            f"Node `{_escaped(node_.name)}`{where} failed in run `{_escaped(run_id)}`: "
            f"{_escaped(f'{type(error).__name__}: {error}')}"
        )
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
        text = (
            f"{headline.replace(_FENCE, '')}\n{_FENCE}{_escaped(trace.replace(_FENCE, ''))}{_FENCE}"
        )
        try:
            self.client.chat_postMessage(channel=self.channel, text=text)
        except (SlackClientError, OSError) as problem:
            logger.warning(
                "Slack channel %r could not be told that node %r failed: %s",
                self.channel,
                node_.name,
                problem,
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"channel": self.channel, "arguments": self._arguments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from slack_sdk import WebClient

        self.channel, self._arguments = state["channel"], state["arguments"]
        self.client = WebClient(**self._arguments)


def _escaped(text: str) -> str:
    """Returns text in which Slack sees no links, mentions or channels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
