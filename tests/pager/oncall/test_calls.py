"""Who is called in Slack is really called: after an outage of Slack, and in a storm, where no incident has a thread."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from atlas_ops.pager.deeds.deed import Act
from atlas_ops.pager.oncall.escalation import Escalation
from atlas_ops.pager.oncall.plan import Plan
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.lists import open_incidents
from tests.pager.notes import alert
from tests.pager.oncall.duty import deed, head, section
from tests.pager.rig import FAST, Rig, delivering, eventually, parents, replies, standing_slack


def mentions(slack: SlackStandIn) -> int:
    return json.dumps([reply.blocks for reply in replies(slack)]).count("<@U")


def escalate(rig: Rig, folder: Path) -> None:
    """Escalate every open incident to the person on call."""
    escalation = Escalation(rig.store, Plan(section(folder)), changed=rig.delivery.wake)
    for one in open_incidents(rig.store):
        assert escalation.by_hand(deed(Act.ESCALATE, one.id, key=one.id), 0)


def test_a_page_that_was_escalated_before_slack_had_it_calls_the_person_in_its_thread(tmp_path: Path) -> None:
    with standing_slack() as slack, delivering(tmp_path, slack) as rig:
        slack.fail_with(503)
        rig.hear(alert())
        escalate(rig, tmp_path)
        slack.fail_with(None)
        assert eventually(lambda: mentions(slack) == 1)
        assert rig.quiet()
        rig.hear(alert(firing=False))
        assert eventually(lambda: "RESOLVED" in parents(slack)[0].text)
        assert rig.quiet()
        assert mentions(slack) == 1


def test_a_call_is_told_however_much_has_happened_before_it(tmp_path: Path) -> None:
    with standing_slack() as slack, delivering(tmp_path, slack) as rig:
        rig.hear(alert(pod="p"))
        assert rig.quiet()
        slack.fail_with(503)
        for number in range(60):
            rig.hear(alert(pod="p"), alert(pod=f"a-pod-of-a-deployment-with-quite-a-long-name-{number}"))
        escalate(rig, tmp_path)
        slack.fail_with(None)
        assert rig.quiet()
        assert mentions(slack) == 1


def test_in_a_storm_its_thread_calls_the_person_once_for_all_incidents(tmp_path: Path) -> None:
    pace = dataclasses.replace(FAST, own_messages=1)
    with standing_slack() as slack, delivering(tmp_path, slack, pace=pace) as rig:
        for number in range(6):
            rig.hear(alert(pod=f"p{number}"), group=str(number))
        assert eventually(lambda: sum(bool(one.storm) for one in open_incidents(rig.store)) == 5)
        assert rig.quiet()
        escalate(rig, tmp_path)
        assert eventually(lambda: "of this storm" in json.dumps([reply.blocks for reply in replies(slack)]))
        assert rig.quiet()
        told = [reply.text for reply in replies(slack) if "of this storm" in reply.text]
        assert sum(int(text.split()[0]) for text in told) == 5
        assert mentions(slack) == len(told) + 1, "one incident has a thread of its own"
        assert all(head(rig.store, one.id).escalation == 1 for one in open_incidents(rig.store))
