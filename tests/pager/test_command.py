"""The pager as it is run: a process of its own, killed and restarted at the worst moments."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from atlas_ops.cli import main
from atlas_ops.stage.processes import free_port
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.notes import alert, body, runbooks
from tests.pager.rig import CHANNEL, TOKEN, eventually, parents, replies


class Pager:
    """One process of `atlas-ops pager`; `more` are arguments."""

    def __init__(self, folder: Path, slack: SlackStandIn | None, port: int, more: Sequence[str] = ()) -> None:
        arguments = ["--listen", f"127.0.0.1:{port}", "--database", str(folder / "pager.db")]
        arguments += ["--runbooks", str(runbooks(folder / "runbooks"))]
        arguments += ["--slack-api-url", slack.url.rstrip("/"), "--channel", CHANNEL] if slack else []
        arguments += more
        self.log = folder / "pager.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "atlas_ops", "pager", *arguments],
                stderr=log,
                env={**os.environ, "SLACK_BOT_TOKEN": TOKEN if slack else ""},
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
        assert eventually(self._answers), self.log.read_text()

    def _answers(self) -> bool:
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def hear(self, *alerts: dict[str, object]) -> int:
        """Post a webhook and return how it was answered."""
        return self.client.post("/webhook", content=body(*alerts)).status_code

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        self.client.close()
        return self.process.wait(20)


@contextmanager
def running(folder: Path, slack: SlackStandIn | None, *more: str) -> Iterator[Pager]:
    pager = Pager(folder, slack, free_port(), more)
    try:
        yield pager
    finally:
        if pager.process.poll() is None:
            pager.end(signal.SIGTERM)


def test_killed_before_slack_could_be_reached_it_delivers_one_message_after_the_restart(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    slack.fail_with(503)
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert()) == 200
        assert eventually(lambda: "chat.postMessage" in slack.calls and "not in Slack" in pager.client.get("/").text)
        pager.end(signal.SIGKILL)
    slack.fail_with(None)
    with running(tmp_path, slack) as pager:
        assert eventually(lambda: len(parents(slack)) == 1)
        assert pager.hear(alert(firing=False)) == 200
        assert eventually(lambda: len(replies(slack)) == 1)
    assert "RESOLVED" in parents(slack)[0].text
    assert len(slack.messages) == 2


def test_killed_after_slack_took_the_message_it_finds_it_again(tmp_path: Path, slack: SlackStandIn) -> None:
    slack.hold("chat.postMessage", accepted=True)
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert()) == 200
        assert slack.wait_until_held()
        pager.end(signal.SIGKILL)
    slack.release()
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert(firing=False)) == 200
        assert eventually(lambda: len(replies(slack)) == 1)
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text
    assert "reached Slack before" in pager.log.read_text()


def test_killed_while_slack_is_slow_it_waits_for_what_becomes_of_the_message(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    slack.hold("chat.postMessage", accepted=False)
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert()) == 200
        assert slack.wait_until_held()
        pager.end(signal.SIGKILL)
    with running(tmp_path, slack):
        assert eventually(lambda: "conversations.history" in slack.calls)
        slack.release()
        assert eventually(lambda: slack.calls.count("conversations.history") > 1)
        assert eventually(lambda: len(parents(slack)) == 1)
    assert len(slack.messages) == 1


def test_killed_at_once_after_its_answer_it_has_lost_nothing(tmp_path: Path, slack: SlackStandIn) -> None:
    for number in range(3):
        with running(tmp_path, None) as pager:
            answer = pager.client.post("/webhook", content=body(alert(pod=f"p{number}"), group=str(number)))
            assert answer.status_code == 200
            pager.end(signal.SIGKILL)
    with running(tmp_path, slack):
        assert eventually(lambda: len(parents(slack)) == 3)
    assert sorted(re.findall(r"at (p\d)", " ".join(posted.text for posted in parents(slack)))) == ["p0", "p1", "p2"]


def test_a_missing_scope_is_said_in_the_log_and_on_the_console_without_a_traceback(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    slack.revoke("chat:write")
    with running(tmp_path, slack) as pager:
        assert eventually(lambda: "lacks the scope chat:write" in pager.log.read_text())
        assert "lacks the scope chat:write" in pager.client.get("/").text
        assert pager.hear(alert()) == 200
    assert "Traceback" not in pager.log.read_text()
    assert TOKEN not in pager.log.read_text()


def test_bad_webhooks_are_refused_without_a_traceback_and_the_next_good_one_is_paged(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    with running(tmp_path, slack) as pager:
        for content, status in ((b"{", 400), (b'{"version": "4"}', 400), (b" " * 20_000_000, 413)):
            assert pager.client.post("/webhook", content=content).status_code == status
        assert pager.hear(alert()) == 200
        assert eventually(lambda: len(parents(slack)) == 1)
        incident = re.search(r"/incidents/\w+", json.dumps(parents(slack)[0].blocks))
        assert incident is not None
        page = pager.client.get(incident[0])
        assert page.status_code == 200
        assert "llama-3-8b" in page.text
    log = pager.log.read_text()
    assert "answered 413" in log
    assert "groupKey" in log
    assert "Traceback" not in log


def test_a_disk_that_is_full_is_answered_503_and_no_page_is_lost(tmp_path: Path, slack: SlackStandIn) -> None:
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert(pod="first")) == 200
        assert eventually(lambda: len(parents(slack)) == 1)
        limits = resource.prlimit(pager.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pager.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        late = body(alert(pod="second"), group="two")
        assert pager.client.post("/webhook", content=late).status_code == 503
        resource.prlimit(pager.process.pid, resource.RLIMIT_FSIZE, limits)
        assert pager.client.post("/webhook", content=late).status_code == 200
        assert eventually(lambda: len(parents(slack)) == 2)
    assert "Traceback" not in pager.log.read_text()


def test_webhooks_that_come_all_at_once_are_all_taken(tmp_path: Path) -> None:
    with running(tmp_path, None) as pager:
        answers: list[int] = []

        def send(number: int) -> None:
            content = body(alert(pod=f"p{number}"), group=str(number))
            answers.append(httpx.post(f"{pager.client.base_url}/webhook", content=content, timeout=60).status_code)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 100
        assert "100 open incidents" in pager.client.get("/").text


def test_without_a_token_the_same_message_is_on_the_console(tmp_path: Path) -> None:
    with running(tmp_path, None) as pager:
        assert pager.hear(alert()) == 200
        assert "No Slack token" in pager.client.get("/").text
        assert "no token, messages are shown on the console" in pager.log.read_text()


def test_it_stops_cleanly_even_while_slack_does_not_answer(tmp_path: Path, slack: SlackStandIn) -> None:
    slack.hold("chat.postMessage", accepted=False)
    with running(tmp_path, slack) as pager:
        assert pager.hear(alert()) == 200
        assert slack.wait_until_held()
        assert pager.end(signal.SIGTERM) == 0
    assert "Traceback" not in pager.log.read_text()


def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    with running(tmp_path, None) as pager:
        assert pager.end(signal.SIGINT) == 0
    assert "Traceback" not in pager.log.read_text()


def test_a_port_in_use_is_said_before_anything_else_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "p.db"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        code = main(["pager", "--listen", listen, "--database", str(database), "--runbooks", str(tmp_path)])
    assert code == 4
    assert f"{listen} is in use" in capsys.readouterr().err
    assert not database.exists()


def test_a_database_that_cannot_be_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "no" / "p.db"
    assert main(["pager", "--listen", "127.0.0.1:0", "--database", str(database), "--runbooks", str(tmp_path)]) == 4
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (("--slack-api-url", "slack"), "", "--slack-api-url"),
        ((), "xoxb-1", "add --channel NAME"),
        (("--channel", "#"), "xoxb-1", "add --channel NAME"),
        (("--channel", "x"), "xoxb-1\n2", "holds characters"),
        (("--external-url", "pager"), "", "--external-url"),
        (("--listen", "9465"), "", "HOST:PORT"),
        (("--runbooks", "/nowhere/at/all"), "", "no such folder"),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: tuple[str, ...],
    token: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", token)
    given = ("--database", str(tmp_path / "p.db"), "--runbooks", str(tmp_path), "--listen", "127.0.0.1:0", *arguments)
    assert main(["pager", *given]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "xoxb-1" not in printed
