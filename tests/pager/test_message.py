from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.diagnosis.verdict import Standing, ranked
from atlas_ops.pager.incident import Event, Kind
from atlas_ops.pager.slack import blocks, message, wire
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.facts import SHOWN_ALERTS
from atlas_ops.pager.slack.message import Reach
from tests.pager.messages import LATER_ON, NOW, PAGER, finding, incident, links_of, parent, problem, shown
from tests.pager.notes import START, alert, notification, runbooks


def test_a_page_says_what_where_since_when_and_what_to_do_first() -> None:
    annotations = {
        "summary": "A new request would wait 2m 13s.",
        "description": "The queue is too long.",
        "impact": "Users wait.",
        "dashboard_url": "http://grafana/d/x?viewPanel=1",
        "panel_url": "http://grafana/d/x?viewPanel=2",
    }
    composed = parent(alert(pod="llama-0", namespace="prod", runtime="vllm", annotations=annotations))
    text = shown(composed)
    for part in (
        "PAGE · QueueBacklog · llama-3-8b",
        "A new request would wait 2m 13s.",
        "The queue is too long.",
        "Users wait.",
        "*Model*\n`llama-3-8b`",
        "*Where*\n`prod/llama-0`",
        "*Server*\n`10.0.0.1:8000`",
        "*Runtime*\n`vllm`",
        "<!date^1795514400^",
        "2026-11-24 10:00:00 UTC",
        f"{PAGER}/incidents/0123456789ab",
        "http://grafana/d/x?viewPanel=1",
        "http://grafana/d/x?viewPanel=2",
        "http://prometheus:9090/graph?g0.expr=x",
    ):
        assert part in text
    assert composed.text.endswith("QueueBacklog · llama-3-8b at prod/llama-0: A new request would wait 2m 13s.")


def test_the_first_steps_are_one_of_diagnosis_and_three_of_mitigation_filled_in() -> None:
    text = shown(parent(alert(pod="llama-0", namespace="prod")))
    steps = [
        "1. *Confirm that the queue grows*",
        "2. *Add a replica*",
        "3. *Hold back batch jobs*",
        "4. *Ask for less*",
    ]
    assert [text.find(step) for step in steps] == sorted(text.find(step) for step in steps)
    assert all(step in text for step in steps)
    assert "The fourth" not in text
    assert "curl -s http://10.0.0.1:8000/metrics | grep waiting" in text
    assert "kubectl -n prod scale deploy/x" in text
    assert "undo: kubectl -n prod scale deploy/x --replicas=1" in text


def test_each_step_says_whether_it_changes_anything_and_how_that_is_undone() -> None:
    text = shown(parent(alert(pod="llama-0", namespace="prod")))
    assert "*Confirm that the queue grows* (only reads)" in text
    assert "*Add a replica* (changes things; undo: kubectl -n prod scale deploy/x --replicas=1" in text
    assert "*Hold back batch jobs* (changes things; undo: let them in)" in text


def test_the_likely_cause_comes_with_its_evidence_and_its_step_comes_first() -> None:
    found = ranked(
        [
            finding("Too few replicas", Standing.LIKELY, "2 of 2 replicas are full.", step="Ask for less.", weight=3),
            finding(
                "Batch jobs", Standing.LIKELY, "Half of the requests are long", step="Hold back batch jobs", weight=2
            ),
            finding("A slow disk", Standing.UNKNOWN, "Prometheus did not answer in time"),
            finding("A new release", Standing.UNLIKELY, "none for 3 days"),
        ],
        at=NOW,
    )
    text = shown(parent(alert(pod="llama-0", namespace="prod"), diagnosis=found))
    assert "*Likely cause*  *Too few replicas*: 2 of 2 replicas are full" in text
    assert "• perhaps also *Batch jobs*: Half of the requests are long" in text
    assert "Not known: A slow disk (Prometheus did not answer in time)" in text
    assert "A new release" not in text
    assert text.index("Likely cause") < text.index("*Model*") < text.index("First steps")
    steps = re.findall(r"^(\d)\. \*(.+?)\*", text, re.MULTILINE)
    assert steps == [("1", "Ask for less"), ("2", "Hold back batch jobs"), ("3", "Add a replica")]


def test_a_cause_that_is_not_known_is_said_not_to_be_and_the_page_begins_with_how_to_confirm_it() -> None:
    unknown = ranked([finding("A slow disk", Standing.UNKNOWN, "no data"), finding("x", Standing.UNLIKELY)], at=NOW)
    text = shown(parent(alert(), diagnosis=unknown))
    assert "*Likely cause not known*" in text
    assert "Not known: A slow disk (no data)" in text
    assert "1 of 2 known causes ruled out" in text
    assert "1. *Confirm that the queue grows*" in text
    assert "Likely cause" not in shown(parent(alert())), "nothing was asked, so nothing is said"
    assert "Likely cause" not in shown(parent(alert(firing=False), diagnosis=unknown))


@pytest.mark.parametrize(
    ("deeds", "sign", "state"),
    [
        ({}, "🔴 PAGE", "*Firing* · nobody is on it yet"),
        (
            {"acknowledged_by": "jane", "acknowledged_at": NOW},
            "👀 PAGE",
            "*Firing* · acknowledged by *jane* at <!date^1795514460^{date_short_pretty} {time_secs}|2026-11-24 10:01:00 UTC>",
        ),
        ({"silenced_by": "jane", "silenced_until": LATER_ON}, "🔇 PAGE", "silenced by *jane* until <!date^1795516260^"),
        ({"silenced_by": "jane", "silenced_until": NOW - 1}, "🔴 PAGE", "*Firing* · nobody is on it yet"),
        ({"escalation": 1, "escalated_to": "second line"}, "🔴 PAGE", "escalated to *second line*"),
        ({"acknowledged_by": "jo", "not_actionable_by": "jo"}, "👀 PAGE", "nothing to do, says *jo*"),
    ],
)
def test_the_message_shows_how_the_incident_stands(deeds: dict[str, Any], sign: str, state: str) -> None:
    composed = parent(alert(), **deeds)
    assert shown(composed).startswith(f"{sign} · QueueBacklog")
    assert state in shown(composed).splitlines()[1]
    for who in (deeds.get("acknowledged_by"), deeds.get("escalated_to")):
        assert not who or who in composed.text


def test_after_the_resolve_it_is_still_told_who_was_on_it() -> None:
    text = shown(parent(alert(firing=False), acknowledged_by="jane", acknowledged_at=NOW))
    assert "*Resolved after 11 min* · acknowledged by *jane* at" in text


def test_only_the_buttons_that_fit_the_state_are_there_and_none_that_do_nothing() -> None:
    def offered(composed: Message) -> list[str]:
        rows = [block.buttons for block in composed.blocks if isinstance(block, blocks.Buttons)]
        return [button.label for row in rows for button in row]

    assert offered(parent(alert())) == ["Acknowledge", "Silence 30 min", "Silence 4 h", "Escalate", "Not actionable"]
    assert offered(parent(alert(), silenced_until=LATER_ON)) == ["Acknowledge", "Unsilence", "Not actionable"]
    assert offered(parent(alert(firing=False))) == ["Not actionable"]
    assert offered(parent(alert(firing=False), not_actionable_by="jane")) == []
    alone = Reach(pager_url=PAGER, buttons=True)
    assert "Escalate" not in offered(parent(alert(), reach=alone)), "there is nobody to escalate to"
    deaf = Reach(pager_url=PAGER)
    assert offered(parent(alert(), reach=deaf)) == []
    assert f"{PAGER}/incidents/0123456789ab#act" in shown(parent(alert(), reach=deaf))
    assert "#act" not in shown(parent(alert(firing=False), reach=deaf))


def test_the_silence_page_opens_with_the_labels_of_the_incident() -> None:
    links = {link.label: link.url for link in links_of(parent(alert(model='a"b\\c', server="", severity="page")))}
    address, _, wanted = links["Silence page"].partition("?filter=")
    assert address == "https://alertmanager.example.org/#/silences/new"
    assert unquote(wanted) == '{alertname="QueueBacklog", model="a\\"b\\\\c", severity="page"}'
    assert "Silence page" not in [link.label for link in links_of(parent(alert(firing=False)))]
    secret = parent(alert(pod="xoxb-2345678901-abcdefghijkl"))
    assert "Silence page" not in [link.label for link in links_of(secret)], "it would reach further than the incident"


def test_a_chart_is_shown_with_words_for_those_who_do_not_see_it() -> None:
    composed = parent(alert(), chart="F012345", words="Chart of the queue; the limit is 10 s")
    [picture] = [block for block in wire.blocks(composed) if block["type"] == "image"]
    assert picture == {
        "type": "image",
        "slack_file": {"id": "F012345"},
        "alt_text": "Chart of the queue; the limit is 10 s",
    }
    assert not [block for block in wire.blocks(blocks.bare(composed)) if block["type"] == "image"]


def test_a_line_that_calls_somebody_calls_them_and_no_line_can_call_all() -> None:
    events = [
        Event(number=1, at=0.0, kind=Kind.ESCALATED, text="Nobody is on it", mention="U012AB3CD"),
        Event(number=2, at=0.0, kind=Kind.ESCALATED, text="to the group", mention="S012AB3CD"),
        Event(number=3, at=0.0, kind=Kind.ESCALATED, text="odd", mention="!channel"),
    ]
    told = shown(message.reply(incident(*notification(alert()).alerts), events))
    assert told == "<@U012AB3CD> Nobody is on it\n<!subteam^S012AB3CD> to the group\n!channel odd"


def test_on_a_bare_host_no_kubectl_command_is_in_the_page() -> None:
    text = shown(parent(alert()))
    assert not re.search(r"^kubectl", text, re.MULTILINE)
    assert "curl -s http://10.0.0.1:8000/health" in text


def test_the_labels_of_hardware_and_of_the_fault_itself_are_shown() -> None:
    text = shown(parent(alert("GpuXid", gpu="3", node="node-7", xid="79", server="", model=""), book=None))
    assert "*GPU*\n`3`" in text
    assert "*Node*\n`node-7`" in text
    assert "*Details*\n`xid=79`" in text
    assert "no runbook for GpuXid" in text


def test_many_alerts_are_listed_up_to_some_and_counted() -> None:
    text = shown(parent(*[alert(pod=f"p-{number}", fingerprint=str(number)) for number in range(30)], truncated=12))
    assert "30 of 30 alerts fire" in text
    assert f"and {30 - SHOWN_ALERTS + 12} more" in text
    assert "p-0 and 28 more" not in text
    assert "and 28 more" in text


def test_after_the_resolve_the_steps_are_gone_and_the_duration_is_said() -> None:
    composed = parent(alert(firing=False))
    text = shown(composed)
    assert "RESOLVED · QueueBacklog" in text
    assert "Resolved after 11 min" in text
    assert "First steps" not in text
    assert "Users wait." not in text
    assert "resolved" in composed.text.lower()
    assert "resolved" not in parent(alert()).text.lower()


def test_what_alerts_say_can_be_no_markup_and_no_mention() -> None:
    hostile = "<!channel> <http://evil|x> @here @channel & `code` *bold* ```block```"
    composed = parent(
        alert(model=hostile, pod=hostile, namespace=hostile, annotations={"summary": hostile, "impact": hostile})
    )
    text = shown(composed) + wire.fallback(composed)
    links = set(re.findall(r"<([^>]*)>", text))
    assert all(link.startswith("!date^") for link in links)
    assert "@here" not in text
    assert "@channel" not in text
    formatted = "\n".join(part for part in shown(composed).splitlines() if "PAGE ·" not in part)
    assert "``" not in formatted.replace("```\n", "").replace("\n```", "")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x/", "http://x/" + "a" * 3000, "http://x/ y", "http://x/<b>", "", "//x"]
)
def test_an_address_that_slack_refuses_gets_no_button(url: str) -> None:
    composed = parent(alert(annotations={"summary": "s", "dashboard_url": url, "panel_url": url}))
    assert [link.label for link in links_of(composed)] == ["Runbook", "Prometheus", "Silence page"]
    assert problem(composed) == ("", ())


def test_a_fault_without_a_runbook_has_no_button_that_promises_one() -> None:
    labels = [link.label for link in links_of(parent(alert(), book=None))]
    assert "Incident" in labels
    assert "Runbook" not in labels


def test_the_dashboard_and_the_chart_open_at_the_time_of_the_incident() -> None:
    ours = {
        "dashboard_url": "http://grafana/d/atlas-incident/atlas-incident?var-alertname=QueueBacklog",
        "panel_url": "http://grafana/d/atlas-capacity-cost/atlas-capacity-cost?viewPanel=7",
    }
    for firing, end in ((True, "now"), (False, "1795516920000")):  # 10:12 and half an hour
        links = {link.label: link.url for link in links_of(parent(alert(firing=firing, annotations=ours)))}
        assert links["Dashboard"] == f"{ours['dashboard_url']}&from=1795512600123&to={end}"
        assert links["Chart"] == f"{ours['panel_url']}&from=1795512600123&to={end}"


def test_a_dashboard_of_somebody_else_is_linked_as_it_is() -> None:
    urls = ["http://grafana/d/x?viewPanel=1", "http://grafana/d/atlas-incident", "http://wiki/page?id=3"]
    for url in urls:
        links = {link.label: link.url for link in links_of(parent(alert(annotations={"dashboard_url": url})))}
        assert links["Dashboard"] == url


def test_the_same_state_makes_the_same_message_and_another_state_another() -> None:
    assert wire.digest(parent(alert())) == wire.digest(parent(alert()))
    assert wire.digest(parent(alert())) != wire.digest(parent(alert(firing=False)))


def test_a_reply_tells_all_its_events_and_is_found_again_by_the_last() -> None:
    events = [
        Event(number=4, at=0.0, kind=Kind.JOINED, text="Also firing: <x>"),
        Event(number=7, at=0.0, kind=Kind.RESOLVED, text="Over"),
    ]
    told = message.reply(incident(*notification(alert()).alerts), events)
    assert shown(told) == "Also firing: &lt;x&gt;\nOver"
    assert told.event == 7
    assert problem(told) == ("", ())


def test_the_composer_finds_the_runbook_of_the_fault(tmp_path: Path) -> None:
    composer = Composer(runbooks=runbooks(tmp_path), pager_url=PAGER)
    assert "Add a replica" in shown(composer.message(incident(*notification(alert(starts=START)).alerts)))
    assert "no runbook for Unheard" in shown(composer.message(incident(*notification(alert("Unheard")).alerts)))
