"""Rule files of ours and of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.errors import ConfigError
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.rules import Rule, in_order

FILE = """
groups:
  - name: g
    rules:
      - record: a:b:c
        expr: sum(x)
        labels: {team: ml}
      - alert: High
        expr: a:b:c > 1
        for: 1h30m
        keep_firing_for: 45s
        labels: {severity: critical}
"""


def test_the_rules_of_a_file_are_read_also_from_a_manifest() -> None:
    recording, alert = rules.parse(FILE, "r.yml")
    assert (recording.name, recording.alert, recording.labels) == ("a:b:c", False, (("team", "ml"),))
    assert (alert.name, alert.for_seconds, alert.keep_firing_seconds, alert.severity) == ("High", 5400, 45, "critical")
    manifest = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n" + FILE.replace("\n", "\n  ")
    assert [rule.name for rule in rules.parse(manifest, "m.yml")] == ["a:b:c", "High"]


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "r.yml"
    file.write_text("groups:\n  - rules:\n      - alert: A\n        for: soon\n      - expr: up\n")
    with pytest.raises(ConfigError) as raised:
        rules.read(file)
    told = str(raised.value)
    assert "line 3: groups[0].rules[0].expr: is missing" in told
    assert "line 4: groups[0].rules[0].for: expected a duration such as 90s or 1h30m, found 'soon'" in told
    assert "line 5: groups[0].rules[1].alert: expected either `alert` or `record`" in told


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a rule file of Prometheus"):
        rules.parse("scrape_configs: []", "prometheus.yml")


def test_our_own_rules_are_all_there() -> None:
    ours = settings.parse("")
    catalog = build_catalog(ours.parameters)
    found = rules.of_catalog(catalog, ours)
    assert {rule.name for rule in found if rule.alert} == {fault.name for fault in catalog.faults}
    assert {rule.name for rule in found if not rule.alert} >= {
        r.name for fault in catalog.faults for r in fault.recordings
    }


def test_words_in_texts_and_comments_are_not_read() -> None:
    rule = Rule(name="r", alert=False, expr="sum by (le) (a{b=\"c d\", e=~'f'}) # g\n/ h:i")
    assert rule.reads >= {"a", "h:i"}
    assert not rule.reads & {"c", "d", "f", "g"}


def test_recordings_come_after_those_that_they_read_and_circles_stay_together() -> None:
    def one(name: str, expr: str) -> Rule:
        return Rule(name=name, alert=False, expr=expr)

    levels = list(in_order([one("d", "c + e"), one("c", "b"), one("b", "c + a"), one("a", "x"), one("e", "e or x")]))
    assert [({rule.name for rule in level.rules}, level.circular) for level in levels] == [
        ({"a"}, False), ({"e"}, True), ({"b", "c"}, True), ({"d"}, False),
    ]  # fmt: skip
