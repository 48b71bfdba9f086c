"""Those on call and the pager as it is run: a process of its own, killed in between, Slack up and down, real receivers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.stage.processes import free_port
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.notes import alert, body
from tests.pager.rig import eventually, parents, replies
from tests.pager.test_command import Pager, running
from tests.pager.ways.receivers import Hook, Mailbox, mail_server, webhook

WATCHDOG = alert("Watchdog", labels={"severity": "info", "model": "", "server": ""})


@pytest.fixture
def port() -> int:
    """Of the mail server."""
    return free_port()


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def folder(tmp_path: Path, port: int, hook: Hook) -> Iterator[Path]:
    """A folder with settings that tell at once."""
    with webhook(hook) as url:
        (tmp_path / "hook").write_text(url)
        (tmp_path / "key").write_text("k3y")
        (tmp_path / "primary.yaml").write_text(
            "{time_zone: UTC, rotations: [{people: [ann], starts: 2020-01-01, handover: '09:00'}]}"
        )
        (tmp_path / "atlas-ops.yaml").write_text(f"""\
pager:
  targets:
    ann: {{slack_user: U024BE7LH}}
    team: {{webhook_url_file: {tmp_path}/hook, webhook_secret_file: {tmp_path}/key}}
  schedules: {{primary: {tmp_path}/primary.yaml}}
  escalation: [{{after: 1s, to: primary}}, {{after: 1s, to: team}}]
  fallback: {{after: 1s, email: oncall@example.org}}
  smtp: {{host: 127.0.0.1, port: {port}, encryption: none, from: pager@example.org}}
  heartbeat: {{expected: false, reach: false}}
  diagnosis: false
links: {{pager: "https://pager.example.org"}}
""")
        yield tmp_path


@contextmanager
def on_call(folder: Path, slack: SlackStandIn) -> Iterator[Pager]:
    with running(folder, slack, "--config", str(folder / "atlas-ops.yaml")) as pager:
        yield pager


def told(slack: SlackStandIn) -> str:
    return json.dumps([reply.blocks for reply in replies(slack)])


def test_a_page_that_nobody_takes_calls_the_person_on_call_then_the_team_and_nobody_twice(
    folder: Path, slack: SlackStandIn, hook: Hook
) -> None:
    with on_call(folder, slack) as pager:
        assert pager.hear(alert()) == 200
        assert eventually(lambda: "<@U024BE7LH>" in told(slack))
        pager.end(signal.SIGKILL)
    with on_call(folder, slack) as pager:
        assert eventually(lambda: bool(hook.posts) and "escalated to team" in told(slack))
        assert pager.hear(alert(firing=False)) == 200
        assert eventually(lambda: len(hook.posts) > 1 and "Resolved" in told(slack))
        page = pager.client.get("/metrics").text
    assert [json.loads(post.body)["status"] for post in hook.posts] == ["firing", "resolved"]
    assert told(slack).count("<@U024BE7LH>") == 1
    assert told(slack).count("escalated to team") == 1
    assert 'atlas_pager_told_total{result="failed",way="webhook"} 0.0' in page
    assert "Traceback" not in pager.log.read_text()
    assert "s3cret" not in pager.log.read_text()


def test_while_slack_is_down_mail_tells_and_the_message_comes_when_it_is_back(
    folder: Path, slack: SlackStandIn, port: int
) -> None:
    mailbox = Mailbox()
    slack.fail_with(503)
    with on_call(folder, slack) as pager:
        assert pager.hear(alert()) == 200
        assert eventually(
            lambda: "Not told: the mail server 127.0.0.1 does not take mail" in pager.client.get("/").text
        )
        pager.end(signal.SIGKILL)
    with mail_server(mailbox, port=port), on_call(folder, slack) as pager:
        assert eventually(lambda: len(mailbox.mails) == 1)
        link = "https://pager.example.org/incidents/"
        text = mailbox.mails[0].get_content()
        assert link in text
        incident = text.partition(link)[2].split()[0]
        assert eventually(lambda: "Told by e-mail to fallback" in pager.client.get(f"/incidents/{incident}").text)
        assert "Not told" not in pager.client.get("/").text
        slack.fail_with(None)
        assert eventually(lambda: len(parents(slack)) == 1)
        assert pager.hear(alert(firing=False)) == 200
        assert eventually(lambda: len(mailbox.mails) == 2 and "RESOLVED" in parents(slack)[0].text)
    assert [mail["Subject"].split()[0] for mail in mailbox.mails] == ["PAGE", "RESOLVED"]
    assert "@" not in pager.log.read_text()


def test_a_heartbeat_that_does_not_come_is_a_page_until_it_does(folder: Path, slack: SlackStandIn, port: int) -> None:
    config = folder / "atlas-ops.yaml"
    config.write_text(config.read_text().replace("expected: false", "late_after: 2s"))
    mailbox = Mailbox()
    with mail_server(mailbox, port=port), on_call(folder, slack) as pager:
        mailed = 'atlas_pager_told_total{result="sent",way="email"} 1.0'
        assert eventually(lambda: len(parents(slack)) == 1 and mailed in pager.client.get("/metrics").text)
        assert "PagerDeliveryFailing" in parents(slack)[0].text
        assert "No heartbeat of Alertmanager has come" in parents(slack)[0].text
        pager.end(signal.SIGKILL)
    with mail_server(mailbox, port=port), on_call(folder, slack) as pager:
        assert pager.client.post("/webhook", content=body(WATCHDOG)).status_code == 200
        assert eventually(lambda: "RESOLVED" in parents(slack)[0].text)
        assert eventually(lambda: len(mailbox.mails) > 1)
    assert [mail["Subject"].split()[0] for mail in mailbox.mails[:2]] == ["PAGE", "RESOLVED"]


def test_a_prometheus_that_does_not_answer_is_a_page(folder: Path, slack: SlackStandIn) -> None:
    config = folder / "atlas-ops.yaml"
    nobody = f"http://127.0.0.1:{free_port()}"
    text = config.read_text().replace("reach: false", "late_after: 1s")
    config.write_text(text.replace("links: {", f'links: {{prometheus: "{nobody}", alertmanager: "{nobody}", '))
    with on_call(folder, slack):
        assert eventually(lambda: len(parents(slack)) == 2)
    said = " ".join(message.text for message in parents(slack))
    assert f"Prometheus at {nobody} does not answer the pager" in said
    assert f"Alertmanager at {nobody} does not answer the pager" in said
