from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.pager.incident import LATE_SECONDS, Alert, merge, ordered
from tests.pager.notes import alert, notification


def one(fingerprint: str = "a", *, firing: bool = True, start: float = 100.0) -> Alert:
    end = None if firing else start + 50
    return Alert(
        fingerprint=fingerprint,
        firing=firing,
        starts_at=start,
        ends_at=end,
        labels={},
        annotations={},
        generator_url="",
    )


def after(*told: Alert, age: float = 0.0) -> dict[str, Alert]:
    known: dict[str, Alert] = {}
    for alert_told in told:
        change = merge(known, [alert_told], ages=dict.fromkeys(known, age))
        known |= {changed.fingerprint: changed for changed in change.alerts}
    return known


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([1.0, 2.0, 3.0])), max_size=12),
    st.randoms(),
)
def test_webhooks_that_come_twice_or_in_the_wrong_order_lead_to_the_same_state(
    told: list[tuple[str, bool, float]], random: Random
) -> None:
    alerts = [one(name, firing=firing, start=start) for name, firing, start in told]
    shuffled = [*alerts, *alerts]
    random.shuffle(shuffled)
    assert after(*alerts) == after(*shuffled)


def test_at_the_same_start_resolved_wins_whatever_comes_first() -> None:
    firing, resolved = one(), one(firing=False)
    assert not after(firing, resolved)["a"].firing
    assert not after(resolved, firing)["a"].firing


def test_an_alert_that_fires_again_with_its_old_start_long_after_is_believed() -> None:
    assert after(one(), one(firing=False), one(), age=LATE_SECONDS + 1)["a"].firing


def test_an_alert_named_twice_in_one_webhook_counts_once() -> None:
    change = merge({}, [one(), one(firing=False), one("b")], ages={})
    assert [named.fingerprint for named in change.alerts] == ["b", "a"]
    assert not change.ended[0].firing


def test_the_gravest_firing_alert_is_read_first() -> None:
    read = notification(
        alert(firing=False, severity="page", fingerprint="1"),
        alert(severity="ticket", fingerprint="2"),
        alert(severity="page", fingerprint="3"),
        alert(severity="odd", fingerprint="4"),
    )
    assert [named.fingerprint for named in ordered(read.alerts)] == ["3", "2", "4", "1"]


def test_a_place_is_named_as_closely_as_the_labels_tell() -> None:
    def place(**labels: str) -> str:
        return notification(alert(labels={"server": "", **labels})).alerts[0].place

    assert place(pod="p", namespace="n", server="s") == "n/p"
    assert place(k8s_pod_name="p", k8s_namespace_name="n") == "n/p"
    assert place(server="10.0.0.1:8000") == "10.0.0.1:8000"
    assert place(gpu="3", host_name="node-7") == "GPU 3 on node-7"
    assert place(instance="10.0.0.9:9464") == "10.0.0.9:9464"
    assert place() == ""
