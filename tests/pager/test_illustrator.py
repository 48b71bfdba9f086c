"""Messages get their chart after they were posted; trouble with it is said once and costs the page nothing."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.charts.picture import Line, Picture
from atlas_ops.pager.incident import Alert, Incident
from atlas_ops.pager.slack import illustrator
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.slack.illustrator import Illustrator
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.notes import alert
from tests.pager.rig import CHANNEL, TOKEN, Rig, delivering, eventually, parents


class Album(Charts):
    """Charts of a Prometheus that always has the same to tell."""

    def picture(self, incident: Incident, alert: Alert | None = None) -> Picture | None:
        now = time.time()
        line = Line(name="llama", at=(now - 60, now), values=(1.0, 12.0))
        return Picture(
            title="Queue", unit="s", limit=10.0, lines=(line,), more=0, start=now - 60, end=now, began=now, over=None
        )


@pytest.fixture
def rig(tmp_path: Path, slack: SlackStandIn) -> Iterator[Rig]:
    with delivering(tmp_path, slack) as made:
        yield made


@contextmanager
def drawing(rig: Rig, slack: SlackStandIn) -> Iterator[Illustrator]:
    client = Slack(token=TOKEN, url=slack.url, channel=CHANNEL)
    charts = Album(catalog=build_catalog(), prometheus_url="http://127.0.0.1:9")
    made = Illustrator(rig.store, client, charts, changed=rig.delivery.wake, settle_seconds=0.0, every_seconds=0.05)
    made.start()
    yield made
    made.stop(10)


def pictures(message: Message) -> list[object]:
    return [block for block in message.blocks if block["type"] == "image"]


def test_a_message_gets_its_chart_with_words(slack: SlackStandIn, rig: Rig) -> None:
    with drawing(rig, slack):
        rig.hear(alert())
        assert eventually(lambda: bool(parents(slack)) and bool(pictures(parents(slack)[0])))
        assert rig.quiet()
    [file] = slack.files
    assert file.content.startswith(b"\x89PNG")
    [picture] = pictures(parents(slack)[0])
    assert isinstance(picture, dict)
    assert picture["slack_file"] == {"id": file.id}
    assert "Chart of Queue" in str(picture["alt_text"])
    assert "12" in str(picture["alt_text"])
    assert "limit is 10" in str(picture["alt_text"])
    assert file.alt_text == picture["alt_text"]
    assert len(parents(slack)) == 1


def test_what_was_never_posted_or_is_over_gets_no_chart(slack: SlackStandIn, rig: Rig) -> None:
    slack.fail_with(503)
    rig.hear(alert())
    rig.hear(alert(firing=False), group="two")
    assert rig.store.charts.wanted(10) == ()
    slack.fail_with(None)
    assert rig.quiet()
    assert len(rig.store.charts.wanted(10)) == 1


def test_without_the_scope_there_is_no_chart_and_that_is_said_once(
    slack: SlackStandIn, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    slack.revoke("files:write")
    with caplog.at_level(logging.WARNING), drawing(rig, slack) as illustrating:
        rig.hear(alert())
        assert eventually(lambda: "files:write" in illustrating.without)
        rig.hear(alert(pod="two"), group="two")
        assert rig.quiet()
    assert len(parents(slack)) == 2
    assert slack.calls.count("files.getUploadURLExternal") == 1
    assert caplog.text.count("have no charts") == 1


def test_without_the_extra_there_is_no_chart_and_that_is_said_once(
    slack: SlackStandIn, rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(illustrator, "available", lambda: False)
    with caplog.at_level(logging.WARNING), drawing(rig, slack) as illustrating:
        rig.hear(alert())
        assert rig.quiet()
        assert eventually(lambda: bool(illustrating.without))
    assert caplog.text.count("atlas-ops[charts]") == 1
    assert slack.files == ()


def test_while_slack_takes_no_files_they_wait_but_not_for_ever(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert())
    assert rig.quiet()
    slack.fail_with(500)
    with drawing(rig, slack):
        assert eventually(lambda: slack.calls.count("files.getUploadURLExternal") >= 3)
        assert eventually(lambda: rig.store.charts.wanted(10) == ())
        slack.fail_with(None)
        rig.hear(alert(pod="two"), group="two")
        assert eventually(lambda: len(parents(slack)) == 2 and bool(pictures(parents(slack)[1])))
    assert pictures(parents(slack)[0]) == []


def test_a_chart_that_slack_has_lost_does_not_cost_the_rest_of_the_message(slack: SlackStandIn, rig: Rig) -> None:
    with drawing(rig, slack):
        rig.hear(alert())
        assert eventually(lambda: bool(parents(slack)) and bool(pictures(parents(slack)[0])))
        assert rig.quiet()
    slack.files[0].complete = False
    rig.hear(alert(), alert(pod="b"))
    assert rig.quiet()
    [posted] = parents(slack)
    assert pictures(posted) == []
    assert "2 of 2 alerts fire" in json.dumps(posted.blocks)
