"""The faults of the catalog hold together: their rules leave the labels that they promise, and their words are true."""

from __future__ import annotations

import re

import promql_parser
import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.catalog.model import Fault, Severity
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.expressions.judge import judge
from atlas_ops.render import unseen

MANY_OBJECTIVES = settings.parse("objectives: [{model: 'a*', queue_wait_seconds: 3}, {model: 'b*'}]").parameters
DRIFT_PAGES = settings.parse("drift: {page: true}").parameters
DRIFT_IN_PROMQL = settings.parse("drift: {promql: true, page: true}").parameters
CATALOG = build_catalog()
NAMES = [fault.name for fault in CATALOG.faults]


def fault_of(name: str) -> Fault:
    fault = CATALOG.fault(name)
    assert fault is not None
    return fault


@pytest.mark.parametrize(
    "parameters", [Parameters(), MANY_OBJECTIVES, DRIFT_PAGES, DRIFT_IN_PROMQL, settings.demo().parameters]
)
def test_every_rule_leaves_exactly_the_labels_that_it_promises(parameters: Parameters) -> None:
    catalog = build_catalog(parameters)
    labels = judge(catalog).labels
    for fault in catalog.faults:
        for rule in fault.rules:
            assert labels.left(promql_parser.parse(rule.expr)) == set(rule.labels), fault.name


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_names_only_labels_that_the_rule_leaves(name: str) -> None:
    for rule in fault_of(name).rules:
        assert set(re.findall(r"\$labels\.(\w+)", rule.summary)) <= set(rule.labels)


@pytest.mark.parametrize("name", NAMES)
def test_the_texts_are_sentences(name: str) -> None:
    fault = fault_of(name)
    summaries = [rule.summary for rule in fault.rules]
    for text in (fault.meaning, fault.impact, fault.why, fault.look_alike, fault.panel.description, *summaries):
        assert text == text.strip()
        assert not text[0].islower(), text
        assert text.endswith("."), text


@pytest.mark.parametrize("name", NAMES)
def test_rules_of_the_same_severity_and_variant_watch_different_models(name: str) -> None:
    fault = build_catalog(MANY_OBJECTIVES).fault(name)
    assert fault is not None
    keys = [(rule.severity, rule.variant, rule.expr) for rule in fault.rules]
    assert len(keys) == len(set(keys))


def test_drift_is_a_ticket_unless_the_calibrated_detector_is_trusted_with_a_page() -> None:
    for name in ("InputDrift", "PredictionDrift", "EmbeddingDrift"):
        assert fault_of(name).severities == (Severity.TICKET,)
        fault = build_catalog(DRIFT_PAGES).fault(name)
        assert fault is not None
        page, ticket = fault.rules
        assert (page.severity, ticket.severity) == (Severity.PAGE, Severity.TICKET)
        assert 'detector="seasonal"' in page.expr
        assert 'detector!="seasonal"' in ticket.expr
        assert not unseen.is_held(page)
        # Whoever was woken by the page is not told of the same feature by a ticket as well.
        (hides,) = fault.inhibits
        assert (hides.source_variant, hides.target_variant) == (page.variant, ticket.variant)


def test_every_inhibition_compares_labels_that_both_alerts_carry() -> None:
    for fault in CATALOG.faults:
        for inhibition in fault.inhibits:
            for target in inhibition.targets:
                rules = [rule for rule in fault.rules if inhibition.source_variant in {"", rule.variant}]
                rules += [rule for rule in fault_of(target).rules if inhibition.target_variant in {"", rule.variant}]
                for rule in rules:
                    lacking = {conventions.ALERT_LABELS.get(word, word) for word in inhibition.equal} - {*rule.labels}
                    assert not lacking, f"{fault.name} hides {target}: {rule.variant or rule.severity}"


def test_what_hides_the_alerts_of_a_server_compares_its_node_too() -> None:
    words = [set(inhibition.equal) for fault in CATALOG.faults for inhibition in fault.inhibits]
    assert [equal for equal in words if "server" in equal], "127.0.0.1:8000 is on every node"
    assert not [equal for equal in words if "server" in equal and "node" not in equal]


def test_an_inhibition_between_rules_of_one_fault_names_variants_that_exist() -> None:
    for fault in CATALOG.faults:
        for inhibition in fault.inhibits:
            assert inhibition.source_variant in {"", *(rule.variant for rule in fault.rules)}
            for target in inhibition.targets:
                assert inhibition.target_variant in {"", *(rule.variant for rule in fault_of(target).rules)}
                assert target != fault.name or inhibition.source_variant != inhibition.target_variant


def test_no_two_faults_hide_each_other() -> None:
    hides = {
        (fault.name, target)
        for fault in CATALOG.faults
        for inhibition in fault.inhibits
        for target in inhibition.targets
        if target != fault.name
    }
    assert not {(source, target) for source, target in hides if (target, source) in hides}


def test_blindness_hides_nothing() -> None:
    assert not [fault.name for fault in CATALOG.faults if fault.family.value == "blindness" and fault.inhibits]


def test_the_heartbeat_wakes_nobody_and_always_fires() -> None:
    heartbeat = fault_of(conventions.HEARTBEAT)
    assert heartbeat.severity is Severity.INFO
    assert [rule.expr for rule in heartbeat.rules] == ["vector(1)"]
    assert not [rule for rule in heartbeat.rules if rule.for_seconds]


def test_the_names_of_recordings_stay_the_same_when_windows_are_shortened() -> None:
    def names(parameters: Parameters) -> list[str]:
        return [recording.name for fault in build_catalog(parameters).faults for recording in fault.recordings]

    assert names(settings.demo().parameters) == names(Parameters())


def test_each_objective_has_rules_of_its_own() -> None:
    backlog = build_catalog(MANY_OBJECTIVES).fault("QueueBacklog")
    assert backlog is not None
    assert [rule.expr.splitlines()[0] for rule in backlog.rules] == [
        'server:atlas_queue_wait:predicted_seconds{model=~"a.*"} > 3',
        'server:atlas_queue_wait:predicted_seconds{model=~"b.*", model!~"a.*"} > 10',
        'server:atlas_queue_wait:predicted_seconds{model!~"a.*", model!~"b.*"} > 10',
    ]
