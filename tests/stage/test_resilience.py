"""A page outlives the deaths of those who watch: on the real exporter, Prometheus, Alertmanager and pager."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from atlas_ops import settings
from atlas_ops.settings import Server
from atlas_ops.stage.observer import is_resolved
from atlas_ops.stage.processes import get
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from atlas_ops.stage.stack import Slack, Stack
from tests.exporter.fake_server import FakeServer, answer, serving

TOKEN = "xoxb-test"
CHANNEL = "ml-oncall"
# Not shorter than the demo: what Prometheus remembers of a dead target has to outlast its own restart on a busy machine.
SETTINGS = "{profile: demo, exporter: {gpus: false}}"
PAGE = (Path(__file__).parents[1] / "samples/vllm/0.32.0/idle-fresh.prom").read_text()
FAULT = "ModelServerDown"
NOT_SEEN = "nobody has seen it since"


@contextmanager
def standing(folder: Path) -> Iterator[tuple[Stack, SlackStandIn, FakeServer]]:
    """Let the whole way stand, with one model server that is well."""
    with SlackStandIn(token=TOKEN, channel=CHANNEL) as slack, serving(answer("", status=404)) as server:
        mend(server)
        stack = Stack(
            folder,
            settings.parse(SETTINGS),
            slack=Slack(url=slack.url, token=TOKEN, channel=CHANNEL, webhook_url=slack.webhook_url),
            servers=(Server(url=server.url, runtime="vllm"),),
        )
        with stack:
            assert eventually(lambda: value(stack, "atlas_server_up") == 1)
            yield stack, slack, server


def mend(server: FakeServer) -> None:
    server.behaviours["/metrics"] = answer(PAGE)


def ruin(server: FakeServer) -> None:
    server.behaviours["/metrics"] = lambda connection: connection.close()


def eventually(condition: Callable[[], bool], *, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def value(stack: Stack, expr: str) -> float | None:
    points = stack.prometheus.query(expr)
    return points[0].value if points else None


def fires(stack: Stack, fault: str) -> bool:
    return any(alert.name == fault and alert.state == "firing" for alert in stack.prometheus.alerts())


def pages(slack: SlackStandIn, fault: str = FAULT) -> list[Message]:
    return [message for message in slack.messages if not message.thread_ts and fault in message.text]


def heartbeat_after(stack: Stack, moment: float) -> bool:
    """Say whether a heartbeat that was sent after a moment came through: then everything else did as well."""
    return (value(stack, "max(atlas_pager_last_heartbeat_timestamp_seconds)") or 0) > moment


def told(stack: Stack, since: float = 0.0) -> str:
    """Return what Alertmanager holds of the fault, if Prometheus has told it since a moment."""
    found = json.loads(get(f"{stack.addresses.alertmanager}/api/v2/alerts?filter=alertname%3D{FAULT}")[1] or b"[]")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    return "".join(alert["annotations"]["summary"] for alert in found if alert["updatedAt"] > moment)


def test_one_page_lives_through_the_deaths_of_exporter_prometheus_and_alertmanager_and_ends_with_its_fault(
    tmp_path: Path,
) -> None:
    with standing(tmp_path) as (stack, slack, server):
        ruin(server)
        assert eventually(lambda: len(pages(slack)) == 1), stack.prometheus.alerts()

        stack.processes["exporter"].kill()
        assert eventually(lambda: fires(stack, "ExporterDown"))
        assert eventually(lambda: NOT_SEEN in told(stack)), "what is said is no measurement"

        stack.processes["prometheus"].stop()
        restarted = time.time()
        stack.start_prometheus()
        assert eventually(lambda: fires(stack, FAULT))
        assert eventually(lambda: NOT_SEEN in told(stack, since=restarted))

        stack.processes["alertmanager"].stop()
        restarted = time.time()
        stack.start_alertmanager()
        assert eventually(lambda: NOT_SEEN in told(stack, since=restarted))
        assert eventually(lambda: heartbeat_after(stack, restarted + 5))
        assert [is_resolved(page) for page in pages(slack)] == [False]

        stack.start_exporter()
        assert eventually(lambda: not fires(stack, "ExporterDown"))
        assert eventually(lambda: fires(stack, FAULT)), "sight is back, and the fault is still there"
        mend(server)
        assert eventually(lambda: is_resolved(pages(slack)[0]))
        assert len(pages(slack)) == 1


def test_a_target_that_is_taken_away_for_good_takes_its_page_with_it(tmp_path: Path) -> None:
    with standing(tmp_path) as (stack, slack, server):
        ruin(server)
        assert eventually(lambda: len(pages(slack)) == 1)
        stack.processes["exporter"].kill()
        assert eventually(lambda: NOT_SEEN in told(stack))

        configuration = tmp_path / "alerts/prometheus.yml"
        document = yaml.safe_load(configuration.read_text())
        document["scrape_configs"] = [job for job in document["scrape_configs"] if job["job_name"] == "atlas-pager"]
        configuration.write_text(yaml.safe_dump(document))
        stack.processes["prometheus"].send_signal(signal.SIGHUP)
        assert eventually(lambda: is_resolved(pages(slack)[0]))


def test_while_the_pager_is_down_alertmanager_itself_tells_slack_of_each_page(tmp_path: Path) -> None:
    with standing(tmp_path) as (stack, slack, server):
        stack.processes["pager"].kill()
        ruin(server)
        assert eventually(lambda: len(pages(slack)) > 0), stack.prometheus.alerts()
        copy = pages(slack)[0]
        assert "FIRING: availability/ModelServerDown" in copy.text
        assert "runbooks/availability/ModelServerDown.md" in copy.text, "the pager's own pages cannot be read now"
        assert f"server={server.address}" in copy.text
        assert eventually(lambda: any("FIRING: PagerDeliveryFailing" in message.text for message in slack.messages))

        stack.start_pager()
        assert eventually(lambda: len(pages(slack)) > 1), "the pager tells it, too"
        assert eventually(
            lambda: any("No longer told here: availability/ModelServerDown" in m.text for m in slack.messages)
        )
        assert fires(stack, FAULT)
