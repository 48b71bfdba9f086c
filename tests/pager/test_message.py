from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.incident import Alert, Event, Headline, Incident, Kind, ordered
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import blocks, message, wire
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.facts import SHOWN_ALERTS
from atlas_ops.pager.slack.message import Reach
from atlas_ops.pager.timeline import add_up
from atlas_ops.stage import slack_limits
from tests.pager.notes import RUNBOOK, START, alert, notification, runbooks

BOOK = Runbook(fault="QueueBacklog", family="capacity", text=RUNBOOK)
PAGER = "https://pager.example.org"
REACH = Reach(pager_url=PAGER, alertmanager_url="https://alertmanager.example.org", buttons=True, escalates=True)
NOW = 1795514460.0


def incident(*alerts: Alert, truncated: int = 0) -> Incident:
    total = add_up(alerts, 0.0)
    headline = Headline(
        id="0123456789ab",
        fault=total.fault,
        severity=total.severity,
        model=total.model,
        place=total.place,
        summary=total.summary,
        since=total.since,
        until=total.until,
        firing=total.firing,
        total=total.total,
        heard_at=0.0,
        problem="",
        delivered=False,
    )
    return Incident(headline=headline, alerts=ordered(alerts), truncated=truncated)


def parent(*alerts: dict[str, object], book: Runbook | None = BOOK, truncated: int = 0) -> Message:
    return message.parent(incident(*notification(*alerts).alerts, truncated=truncated), book, REACH, NOW)


def shown(composed: Message) -> str:
    """Return everything that a reader of the message sees."""
    found: list[str] = []
    for block in wire.blocks(composed):
        found += [str(value) for value in slack_limits._strings(block)]
    return "\n".join(found)


def problem(composed: Message) -> tuple[str, tuple[str, ...]]:
    payload = {
        "text": wire.fallback(composed),
        "blocks": json.loads(json.dumps(wire.blocks(composed))),
        "metadata": wire.metadata(composed),
    }
    return slack_limits.problem(payload)


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
    assert [link.label for link in _links(composed)] == ["Runbook", "Prometheus", "Silence page"]
    assert problem(composed) == ("", ())


def test_the_dashboard_and_the_chart_open_at_the_time_of_the_incident() -> None:
    ours = {
        "dashboard_url": "http://grafana/d/atlas-incident/atlas-incident?var-alertname=QueueBacklog",
        "panel_url": "http://grafana/d/atlas-capacity-cost/atlas-capacity-cost?viewPanel=7",
    }
    for firing, end in ((True, "now"), (False, "1795516920000")):  # 10:12 and half an hour
        links = {link.label: link.url for link in _links(parent(alert(firing=firing, annotations=ours)))}
        assert links["Dashboard"] == f"{ours['dashboard_url']}&from=1795512600123&to={end}"
        assert links["Chart"] == f"{ours['panel_url']}&from=1795512600123&to={end}"


def test_a_dashboard_of_somebody_else_is_linked_as_it_is() -> None:
    urls = ["http://grafana/d/x?viewPanel=1", "http://grafana/d/atlas-incident", "http://wiki/page?id=3"]
    for url in urls:
        links = {link.label: link.url for link in _links(parent(alert(annotations={"dashboard_url": url})))}
        assert links["Dashboard"] == url


def _links(composed: Message) -> tuple[blocks.Link, ...]:
    return next(block.links for block in composed.blocks if isinstance(block, blocks.Links))


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


TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="&<>`*_~@\n ", max_size=40),
    st.sampled_from(["😀", "&", "<", "\u202e", "a", "@channel "]).flatmap(
        lambda part: st.integers(1, 9000).map(lambda count: (part * count)[:9000])
    ),
)
LABELS = st.dictionaries(
    st.sampled_from(
        ["alertname", "severity", "model", "pod", "namespace", "server", "runtime", "node", "gpu", "xid", "job"]
    )
    | TEXT,
    TEXT,
)
ANNOTATIONS = st.dictionaries(
    st.sampled_from(["summary", "description", "impact", "dashboard_url", "panel_url", "value"]) | TEXT, TEXT
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(LABELS, ANNOTATIONS, TEXT, st.booleans(), st.sampled_from([1, 2, 9, 500]), st.integers(0, 10**9))
def test_slack_takes_every_message_whatever_the_alerts_say(
    labels: dict[str, str], annotations: dict[str, str], url: str, firing: bool, count: int, truncated: int
) -> None:
    entry = {**alert(firing=firing), "labels": labels, "annotations": annotations, "generatorURL": "http://" + url}
    alerts = notification(*[{**entry, "fingerprint": f"f{number}"} for number in range(count)]).alerts
    if alerts:
        hole = "{{model}} {{pod|server}} {{namespace}} {{xid}}"
        greedy = Runbook(
            fault="x", family="y", text=RUNBOOK.replace("Look twice.", hole * 50).replace("waiting", hole * 20)
        )
        composed = message.parent(incident(*alerts, truncated=truncated), greedy, REACH, NOW)
        assert problem(composed) == ("", ())
        assert problem(message.plainly(composed)) == ("", ())
        assert "<!channel" not in shown(composed)


def test_the_longest_of_everything_is_still_taken() -> None:
    long = "&" * 8000
    labels = dict.fromkeys(("model", "pod", "namespace", "server", "runtime", "node", "gpu", "xid"), long)
    annotations = dict.fromkeys(("summary", "description", "impact", "value"), long)
    annotations["dashboard_url"] = annotations["panel_url"] = "http://x/d/atlas-x?" + "a" * 1500
    book = Runbook(
        fault="x", family="y", text=RUNBOOK.replace("grep waiting", "grep " + "<" * 5000).replace("Look", long)
    )
    composed = parent(
        *[alert(fingerprint=str(n), annotations=annotations, labels=labels) for n in range(500)], book=book
    )
    assert problem(composed) == ("", ())
    total = sum(map(slack_limits.size, slack_limits._strings(wire.blocks(composed))))
    assert total > 7000, "the test has to come near the limit"


def test_the_composer_finds_the_runbook_of_the_fault(tmp_path: Path) -> None:
    composer = Composer(runbooks=runbooks(tmp_path), pager_url=PAGER)
    assert "Add a replica" in shown(composer.message(incident(*notification(alert(starts=START)).alerts)))
    assert "no runbook for Unheard" in shown(composer.message(incident(*notification(alert("Unheard")).alerts)))
