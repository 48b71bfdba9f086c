"""Slack is down, in real time (`--outage 600`: ten minutes): the fallback is told meanwhile, and Slack of everything after."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.chaos import Pager, judge, key, post, settled
from tests.pager.notes import alert, body
from tests.pager.rig import CHANNEL, TOKEN, eventually
from tests.pager.ways.receivers import Hook, webhook

SETTINGS = """\
pager:
  diagnosis: false
  heartbeat: {{expected: false, reach: false}}
  fallback: {{after: {after}s, webhook_url_file: {address}}}
"""
PAGES = 8


class RealPager(Pager):
    """`atlas-ops pager` at the pace that users have."""

    def __init__(self, folder: Path, slack: SlackStandIn, database: Path | Server, settings: str) -> None:
        super().__init__(folder, slack, database, {})
        (folder / "atlas-ops.yaml").write_text(settings)
        self._command[2] = "atlas_ops"


@pytest.fixture
def outage(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--outage"))


def test_while_slack_is_down_the_fallback_is_told_of_each_page_and_slack_of_everything_after(
    tmp_path: Path, address: Path | Server, outage: float
) -> None:
    hook, dice = Hook(), random.Random(7)
    with SlackStandIn(token=TOKEN, channel=CHANNEL, per_second=1.0, burst=3) as slack, webhook(hook) as url:
        (tmp_path / "url").write_text(url)
        settings = SETTINGS.format(after=round(outage / 3), address=tmp_path / "url")
        pager = RealPager(tmp_path / "pager", slack, address, settings)
        pager.start()
        try:
            pager.wait()
            slack.fail_with(503)
            began = time.monotonic()
            fires = {f"{number}": number % 2 == 0 for number in range(PAGES)}
            for group in fires:
                post([pager], told(group), dice)
                time.sleep(outage / 6 / PAGES)
            assert eventually(lambda: named(hook) == set(fires), seconds=outage)
            for group, still in fires.items():
                if not still:
                    post([pager], told(group, firing=False), dice)
            time.sleep(max(0.0, outage - (time.monotonic() - began)))
            assert slack.messages == ()
            slack.fail_with(None)
            assert settled([pager])
        finally:
            pager.end()
        store = Store(address)
        try:
            assert judge(store, slack, {key(group): still for group, still in fires.items()}) == []
        finally:
            store.close()


def told(group: str, *, firing: bool = True) -> bytes:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return body(alert(pod=f"pod-{group}", fingerprint=group, firing=firing, ends=ends), group=group)


def named(hook: Hook) -> set[str]:
    """Return the groups of which the webhook was told because Slack is down."""
    said = [json.loads(posted.body) for posted in hook.posts]
    return {
        word.removeprefix("pod-").strip('.,;:()`*"')
        for one in said
        if one["reason"] == "slack_down" and one["status"] == "firing"
        for word in json.dumps(one["incidents"]).replace('"', " ").split()
        if word.startswith("pod-")
    }
