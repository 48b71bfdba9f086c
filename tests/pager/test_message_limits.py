from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_ops.pager.diagnosis.verdict import Diagnosis, Finding, Standing, ranked
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import message, wire
from atlas_ops.stage import slack_limits
from tests.pager.messages import LATER_ON, NOW, REACH, finding, incident, parent, problem, shown
from tests.pager.notes import RUNBOOK, alert, notification

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


WHO = st.one_of(st.just(""), TEXT)
DIAGNOSES = st.none() | st.lists(
    st.builds(
        Finding,
        cause=TEXT,
        standing=st.sampled_from(Standing),
        told=TEXT,
        next_step=st.sampled_from(["", "Ask for less", "Confirm that the queue grows"]) | TEXT,
        weight=st.integers(1, 3),
        query=TEXT,
    ),
    max_size=12,
).map(lambda found: ranked(found, NOW))
DEEDS = st.fixed_dictionaries(
    {
        "acknowledged_by": WHO,
        "acknowledged_at": st.none() | st.floats(-1e18, 1e18),
        "silenced_by": WHO,
        "silenced_until": st.none() | st.floats(-1e18, 1e18),
        "escalation": st.integers(0, 5),
        "escalated_to": WHO,
        "not_actionable_by": WHO,
    }
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    LABELS,
    ANNOTATIONS,
    TEXT,
    st.booleans(),
    st.sampled_from([1, 2, 9, 500]),
    st.integers(0, 10**9),
    DIAGNOSES,
    DEEDS,
    WHO,
)
def test_slack_takes_every_message_whatever_the_alerts_say(
    labels: dict[str, str],
    annotations: dict[str, str],
    url: str,
    firing: bool,
    count: int,
    truncated: int,
    diagnosis: Diagnosis | None,
    deeds: dict[str, Any],
    words: str,
) -> None:
    entry = {**alert(firing=firing), "labels": labels, "annotations": annotations, "generatorURL": "http://" + url}
    alerts = notification(*[{**entry, "fingerprint": f"f{number}"} for number in range(count)]).alerts
    if alerts:
        hole = "{{model}} {{pod|server}} {{namespace}} {{xid}}"
        greedy = Runbook(
            fault="x", family="y", text=RUNBOOK.replace("Look twice.", hole * 50).replace("waiting", hole * 20)
        )
        chart = "F0CHART" if words else ""
        made = incident(*alerts, truncated=truncated, diagnosis=diagnosis, chart=chart, words=words, **deeds)
        composed = message.parent(made, greedy, REACH, NOW)
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
    people: dict[str, Any] = dict.fromkeys(
        ("acknowledged_by", "silenced_by", "escalated_to", "not_actionable_by"), long
    )
    composed = parent(
        *[alert(fingerprint=str(n), annotations=annotations, labels=labels) for n in range(500)],
        book=book,
        diagnosis=ranked(
            [finding(long, Standing.LIKELY, long)] * 3 + [finding(long, Standing.UNKNOWN, long)] * 3, at=NOW
        ),
        chart="F0CHART",
        words=long,
        **people,
        escalation=1,
        acknowledged_at=NOW,
        silenced_until=LATER_ON,
    )
    assert problem(composed) == ("", ())
    total = sum(map(slack_limits.size, slack_limits._strings(wire.blocks(composed))))
    assert total > 7000, "the test has to come near the limit"
