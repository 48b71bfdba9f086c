"""The whole way on real parts: an overloaded Triton server becomes one Slack message with a filled-in runbook.

Real are the model server, the exporter, Prometheus, Alertmanager and the pager, each a process of its own. Slack has no
server here; the stand-in enforces its documented limits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops import settings
from atlas_ops.settings import Server
from atlas_ops.stage.observer import is_resolved
from atlas_ops.stage.processes import get
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from atlas_ops.stage.stack import Slack, Stack
from tests.servers.triton import TritonServer, overload, running_triton

TOKEN = "xoxb-test"
CHANNEL = "ml-oncall"
SETTINGS = """
profile: demo
exporter: {gpus: false}
objectives: [{model: "*", queue_wait_seconds: 2}]
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with running_triton(tmp_path_factory.mktemp("triton")) as server:
        yield server


@contextmanager
def standing(folder: Path, triton: TritonServer) -> Iterator[tuple[Stack, SlackStandIn]]:
    with SlackStandIn(token=TOKEN, channel=CHANNEL) as slack:
        stack = Stack(
            folder,
            settings.parse(SETTINGS),
            slack=Slack(url=slack.url, token=TOKEN, channel=CHANNEL),
            servers=(Server(url=triton.metrics_url),),
        )
        with stack:
            yield stack, slack


def eventually(condition: Callable[[], bool], *, seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def pages(slack: SlackStandIn, fault: str) -> list[Message]:
    return [message for message in slack.messages if not message.thread_ts and fault in message.text]


def links(message: Message) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:\d+/[^\s\"'|>\\]*", str(message.blocks))


def test_an_overloaded_server_becomes_one_page_with_its_runbook_and_is_resolved_after(
    tmp_path: Path, triton: TritonServer
) -> None:
    with standing(tmp_path, triton) as (stack, slack):
        with overload(triton):
            assert eventually(lambda: len(pages(slack, "QueueBacklog")) > 0), stack.prometheus.alerts()
            page = pages(slack, "QueueBacklog")[0]
            assert triton.model in str(page.blocks)
            assert not is_resolved(page)
        runbooks = [link for link in links(page) if "/incidents/" in link]
        status, body = get(runbooks[0])
        assert status == 200
        assert triton.model in body.decode()
        assert "Mitigation" in body.decode()
        assert eventually(lambda: is_resolved(pages(slack, "QueueBacklog")[0]))
        assert len(pages(slack, "QueueBacklog")) == 1


def test_a_pager_killed_between_alert_and_delivery_still_sends_exactly_one_message(
    tmp_path: Path, triton: TritonServer
) -> None:
    with standing(tmp_path, triton) as (stack, slack):
        slack.fail_with(503)
        with overload(triton):
            assert eventually(lambda: b"QueueBacklog" in get(f"{stack.addresses.pager}/")[1])
            stack.processes["pager"].kill()
            assert not pages(slack, "QueueBacklog")
            slack.fail_with(None)
            stack.start_pager()
            assert eventually(lambda: len(pages(slack, "QueueBacklog")) > 0)
        assert eventually(lambda: is_resolved(pages(slack, "QueueBacklog")[0]))
        assert len(pages(slack, "QueueBacklog")) == 1
