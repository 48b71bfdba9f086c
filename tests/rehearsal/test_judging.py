"""What is told, what is held back, and what that says of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Inhibition, Severity
from atlas_ops.rehearsal import foreign, foreign_report, report
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.inhibition import Told, _first_uninhibited, _holds, told
from atlas_ops.rehearsal.play import Play
from atlas_ops.rehearsal.replay import Evaluations
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Table
from atlas_ops.rehearsal.verdict import Verdict, judge
from atlas_ops.simulator import Scenario
from atlas_ops.simulator.effects import GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM

AT = Evaluations(start=0.0, end=3600.0, step=15.0)
PLAY = Play(
    table=Table(np.array([0]), {}), evaluations=AT, recordings=AT, began=0.0, fault_from=1000.0, fault_to=2000.0
)


def firing(name: str, start: float, end: float | None = None, **labels: str) -> Firing:
    return labelled(name, start, end, labels)


def labelled(name: str, start: float, end: float | None, labels: dict[str, str]) -> Firing:
    return Firing(name=name, labels={"alertname": name, "severity": "page", **labels}, start=start, end=end)


def scenario(
    expected: str | None, companions: Mapping[str, Severity] | None = None, course: tuple[Phase, ...] = ()
) -> Scenario:
    return Scenario(
        name="s", description="", expected_fault=expected, companions=companions or {}, course=course, calm=CALM
    )


def verdict(
    expected: str | None,
    *alerts: Firing,
    companions: Mapping[str, Severity] | None = None,
    course: tuple[Phase, ...] = (),
    gravest: Severity = Severity.PAGE,
) -> Verdict:
    told_of = [Told(firing=one, at=one.start) for one in alerts]
    return judge(scenario(expected, companions, course), 1, PLAY, told_of, gravest)


def test_a_cause_holds_its_symptom_back_until_it_is_over() -> None:
    cause, symptom = firing("C", 10, 100, server="a"), firing("S", 50, 300, server="a")
    assert _first_uninhibited(symptom, [cause]) == 100
    assert _first_uninhibited(firing("S", 50, 90), [cause]) is None
    assert _first_uninhibited(symptom, [firing("C", 10)]) is None
    assert _first_uninhibited(symptom, [cause, firing("C", 90, 200)]) == 200
    assert _first_uninhibited(symptom, [firing("C", 60, 100)]) == 50


def test_an_inhibition_wants_equal_labels_variants_and_named_ones() -> None:
    rule = Inhibition(targets=("S",), equal=("server",), source_variant="fast", named=("pod",))
    source = firing("C", 0, server="a", variant="fast", pod="p")
    assert _holds("C", rule, source, firing("S", 0, server="a"))
    assert not _holds("C", rule, source, firing("S", 0, server="b"))
    assert not _holds("C", rule, source, firing("T", 0, server="a"))
    assert not _holds("D", rule, source, firing("S", 0, server="a"))
    assert not _holds("C", rule, firing("C", 0, server="a", variant="slow", pod="p"), firing("S", 0, server="a"))
    assert not _holds("C", rule, firing("C", 0, server="a", variant="fast"), firing("S", 0, server="a"))


def test_the_inhibitions_of_the_catalog_are_those_that_count() -> None:
    catalog = build_catalog()
    fault = next(fault for fault in catalog.faults if fault.inhibits)
    rule = fault.inhibits[0]
    own = dict.fromkeys((*rule.equal, *rule.named), "same")
    cause = labelled(fault.name, 10, None, own | {"variant": rule.source_variant})
    symptom = labelled(rule.targets[0], 20, None, own | {"variant": rule.target_variant})
    assert [one.firing for one in told([symptom, cause], catalog)] == [cause]


def test_a_fault_is_detected_by_its_own_name_while_it_is_on_or_soon_after() -> None:
    assert verdict("F", firing("F", 1090)).told_after == 90
    assert verdict("F", firing("F", 2290)).told_after == 1290
    assert verdict("F", firing("F", 2310)).told_after is None
    assert verdict("F", firing("G", 1090)).told_after is None
    assert not verdict("F").passed


def test_what_was_told_before_the_fault_or_of_something_else_was_wrong() -> None:
    early = verdict("F", firing("F", 500), firing("F", 1090))
    assert (early.pages, early.told_after, early.passed) == (("F before",), 90, False)
    other = verdict("F", firing("F", 1090), firing("G", 1100, variant="fast"), firing("T", 1100, severity="ticket"))
    assert (other.pages, other.tickets, other.passed) == (("G (fast)",), ("T",), False)
    assert verdict("F", firing("F", 1090), firing("G", 1100), companions={"G": Severity.PAGE}).passed


def test_a_companion_may_be_no_graver_than_its_scenario_says() -> None:
    graver = verdict("F", firing("F", 1090), firing("G", 1100), companions={"G": Severity.TICKET})
    assert (graver.pages, graver.passed) == (("G",), False)
    mild = verdict("F", firing("F", 1090), firing("G", 1100, severity="ticket"), companions={"G": Severity.TICKET})
    assert (mild.tickets, mild.passed) == ((), True)


def test_a_fault_that_pages_is_not_detected_by_its_ticket() -> None:
    ticket = firing("F", 1090, severity="ticket")
    assert verdict("F", ticket).told_after is None
    assert verdict("F", ticket, gravest=Severity.TICKET).told_after == 90
    assert verdict("F", ticket).tickets == ()


def test_an_alert_about_another_server_or_gpu_is_not_that_of_the_fault() -> None:
    course = (Phase(effect=replace(CALM, servers={0: ServerEffect(stalled=True)}, gpus={0: GpuEffect(cooled=False)})),)
    for label, hit, other in (("k8s_pod_name", "llama-0", "llama-1"), ("gpu", "0", "1")):
        assert verdict("F", labelled("F", 1090, None, {label: hit}), course=course).passed
        elsewhere = verdict("F", labelled("F", 1090, None, {label: other}), course=course)
        assert (elsewhere.told_after, elsewhere.pages) == (None, ("F",))
    assert verdict("F", firing("F", 1090, model="m"), course=course).passed


def test_the_heartbeat_and_information_are_told_to_nobody() -> None:
    assert verdict(None, firing("Watchdog", 0), firing("I", 5, severity="info")).passed
    assert not verdict(None, firing("G", 1100)).passed


def test_the_same_alert_once_more_is_a_repeat_and_another_server_is_not() -> None:
    alerts = (firing("F", 1010, 1100, server="a"), firing("F", 1200, server="a"), firing("F", 1010, server="b"))
    assert verdict("F", *alerts).repeats == 1


def test_the_tables_add_up() -> None:
    found = [verdict("F", firing("F", 1060)), verdict("F", firing("F", 1120)), verdict(None, firing("G", 1100))]
    faults, calm = report.grids(found)
    assert faults.rows == (("F", "s", "page", "2 of 2", "1 min 30 s", "2 min 00 s", "-", "-", "0"),)
    assert calm.rows == (("s", "1", "1 G", "-"),)
    assert calm.note.startswith(
        "1 false pages (720 in a model-month), no false tickets (at most 2.16e+03 in a model-month"
    )
    page = report.markdown((faults, calm), heading="Rehearsal", preface="Made by hand.")
    assert "| F | s | page | 2 of 2 | 1 min 30 s | 2 min 00 s | - | - | 0 |" in page
    assert report.text((faults,)).splitlines()[2].split() == [
        "F",
        "s",
        "page",
        "2",
        "of",
        "2",
        "1",
        "min",
        "30",
        "s",
        "2",
        "min",
        "00",
        "s",
        "-",
        "-",
        "0",
    ]


def heard(*alerts: Firing, expected: str | None = "F", present: tuple[str, ...] = ()) -> foreign.Heard:
    return foreign.hear(scenario(expected), 1, PLAY, alerts, foreign.STOCK, frozenset(present))


def test_an_alert_of_others_notices_a_fault_when_it_was_silent_before() -> None:
    found = heard(
        firing("Hot", 1100, severity="critical"), firing("Noisy", 100, 200), firing("Noisy", 1050),
        firing("Mild", 1100, severity="warning"),
    )  # fmt: skip
    assert (found.noticed, found.after, found.others, found.false) == (("Hot",), 100, ("Mild",), ("Noisy",))
    assert heard(firing("Hot", 1100), expected=None).false == ("Hot",)


def test_alerts_without_a_single_metric_can_never_fire() -> None:
    rules = [
        Rule(name="r", alert=False, expr="gone_total"),
        Rule(name="Dead", alert=True, expr='rate(gone_total{a="b"}[5m]) > r'),
        Rule(name="Half", alert=True, expr="gone_total or there"),
        Rule(name="Absent", alert=True, expr="absent(gone_total)"),
    ]
    found = [heard(firing("Absent", 1100), present=("there",))]
    assert foreign.never(rules, found) == {"Dead": frozenset({"gone_total"})}
    (_, never) = foreign_report.grids(found, rules)
    assert never.rows[0][:2] == ("Dead", "gone_total")
