"""The records of the catalog refuse nonsense when they are made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from atlas_ops.catalog import build_catalog, conventions, signals
from atlas_ops.catalog.model import Catalog, Inhibition, Recording, Rule, Severity, Signal, SignalType

FAULT = build_catalog().faults[0]


def signal(name: str, kind: SignalType = SignalType.GAUGE, unit: str = "", text: str = "Something.") -> Signal:
    return Signal(name=name, type=kind, help=text, unit=unit)


@pytest.mark.parametrize(
    ("name", "kind", "unit", "text"),
    [
        ("queue_depth", SignalType.GAUGE, "", "Help."),
        ("atlas_Queue", SignalType.GAUGE, "", "Help."),
        ("atlas_queue\n", SignalType.GAUGE, "", "Help."),
        ("atlas_requests", SignalType.COUNTER, "", "Help."),
        ("atlas_requests_total", SignalType.GAUGE, "", "Help."),
        ("atlas_wait_ms", SignalType.HISTOGRAM, "seconds", "Help."),
        ("atlas_energy_total", SignalType.COUNTER, "joules", "Help."),
        ("atlas_queue", SignalType.GAUGE, "", ""),
    ],
)
def test_a_signal_whose_name_breaks_the_practice_is_refused(name: str, kind: SignalType, unit: str, text: str) -> None:
    with pytest.raises(ValueError, match="signal"):
        signal(name, kind, unit, text)


def test_a_histogram_is_three_series() -> None:
    assert signal("atlas_wait_seconds", SignalType.HISTOGRAM, "seconds").series == (
        "atlas_wait_seconds_bucket",
        "atlas_wait_seconds_sum",
        "atlas_wait_seconds_count",
    )
    assert signal("atlas_waiting").series == ("atlas_waiting",)


def test_a_signal_stands_for_its_name_in_promql() -> None:
    assert f"sum({signal('atlas_waiting')})" == "sum(atlas_waiting)"


def test_a_recording_has_a_level_a_metric_and_operations() -> None:
    with pytest.raises(ValueError, match="level:metric:operations"):
        Recording(name="queue_wait", expr="1")


def rule(**changes: Any) -> Rule:
    return replace(Rule(expr="up == 0", labels=("job",), severity=Severity.PAGE, summary="Down."), **changes)


@pytest.mark.parametrize("seconds", [-1, 240, 3600])
def test_a_rule_that_a_restart_of_prometheus_would_resolve_falsely_is_refused(seconds: float) -> None:
    assert rule(for_seconds=239).for_seconds == 239
    with pytest.raises(ValueError, match="240"):
        rule(for_seconds=seconds)


def test_a_rule_whose_labels_have_no_word_for_people_is_refused() -> None:
    with pytest.raises(ValueError, match="quantile"):
        rule(labels=("model", "quantile"))


@pytest.mark.parametrize("name", ["queue_backlog", "queueBacklog", "Queue Backlog", "QueueBacklog\n", ""])
def test_a_fault_whose_name_is_not_camel_case_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="CamelCase"):
        replace(FAULT, name=name)


def test_a_fault_without_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="rule"):
        replace(FAULT, rules=())


def test_a_fault_is_as_grave_as_its_gravest_rule() -> None:
    assert replace(FAULT, rules=(rule(severity=Severity.INFO),)).severity is Severity.INFO
    assert replace(FAULT, rules=(rule(severity=Severity.TICKET), rule())).severity is Severity.PAGE


def test_the_labels_of_an_alert_are_in_the_words_of_people() -> None:
    both = replace(FAULT, rules=(rule(labels=("k8s_pod_name",)), rule(labels=("model", "host_name"))))
    assert both.alert_labels == ("pod", "node", "model")


def test_a_catalog_with_two_of_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=FAULT.name):
        Catalog(signals=(), faults=(FAULT, FAULT))
    with pytest.raises(ValueError, match="atlas_waiting"):
        Catalog(signals=(signal("atlas_waiting"),) * 2, faults=())


def test_an_inhibition_of_a_fault_that_does_not_exist_is_refused() -> None:
    hiding = replace(FAULT, inhibits=(Inhibition(targets=("NoSuch",), equal=()),))
    with pytest.raises(ValueError, match="NoSuch"):
        Catalog(signals=(), faults=(hiding,))


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FAULT.name = "Other"  # type: ignore[misc]


def test_the_contract_holds_every_signal_that_the_module_defines_once() -> None:
    defined = [value for value in vars(signals).values() if isinstance(value, Signal)]
    assert list(signals.SIGNALS) == defined
    assert len({name for one in signals.SIGNALS for name in one.series}) == sum(
        len(one.series) for one in signals.SIGNALS
    )


def test_a_signal_is_found_by_its_name() -> None:
    catalog = build_catalog()
    assert catalog.signal("atlas_server_up") is signals.SERVER_UP
    with pytest.raises(KeyError):
        catalog.signal("atlas_server_upp")
    assert catalog.fault("NoSuch") is None


def test_no_label_of_a_signal_clashes_with_those_that_prometheus_attaches() -> None:
    attached = {"job", "instance", "pod", "namespace", "container", "node", "service", "endpoint"}
    for one in signals.SIGNALS:
        assert not attached & set(one.labels), one.name
    assert set(conventions.SERVER_IDENTITY) < set(conventions.SERVER_LABELS)
