"""What promtool and amtool refuse becomes a finding with file and line; so does their absence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.conftest import Check, edit, line_of

BLINDNESS = "alerts/blindness.yaml"
CASES = "tests/alerts/blindness/ExporterDown_test.yaml"


@pytest.fixture(autouse=True)
def without_slow_cases(tree: Path) -> None:
    """Keep the quickest file of rule tests: the others take seconds, and `test_whole` runs them all."""
    for path in (tree / "tests/alerts").glob("*/*"):
        if path.name != Path(CASES).name:
            path.unlink()


def test_a_rule_that_does_not_parse_is_named_with_its_line(tree: Path, check: Check) -> None:
    line = edit(tree / BLINDNESS, "expr: vector(1)", "expr: vector(1")
    report = check()
    assert report.code == 1
    assert "promtool check rules: " in report.at(BLINDNESS)[line]
    assert "parse error" in report.at(BLINDNESS)[line]


def test_a_rule_file_of_another_shape_is_named_with_its_line(tree: Path, check: Check) -> None:
    (tree / "alerts/mine.yaml").write_text("groups:\n  - name: mine\n    rulez: []\n")
    assert "promtool check rules: " in check().at("alerts/mine.yaml")[3]


def test_a_failing_test_of_a_rule_is_named_with_its_line(tree: Path, check: Check) -> None:
    edit(tree / "alerts/blindness.yaml", '(up{job="atlas-exporter"}) == 0', '(up{job="atlas-exporter"}) == 2')
    report = check()
    assert report.code == 1
    failing = {line: text for line, text in report.at(CASES).items() if "promtool test rules: ExporterDown at " in text}
    assert failing
    assert all("expected 1 firing, got 0" in text for text in failing.values())
    lines = (tree / CASES).read_text().splitlines()
    assert all("ExporterDown" in lines[line - 1] for line in failing)


def test_a_test_whose_expected_texts_differ_says_so(tree: Path, check: Check) -> None:
    edit(tree / "alerts/blindness.yaml", "The exporter {{", "Exporter {{")
    assert "other labels or annotations" in "".join(check().at(CASES).values())


def test_a_test_whose_rules_do_not_load_is_a_finding(tree: Path, check: Check) -> None:
    edit(tree / "alerts/blindness.yaml", "absent(up", "absent((up")
    report = check()
    assert report.code == 1
    assert "promtool test rules: alerts/blindness.yaml: " in report.at(CASES)[1]


def test_a_configuration_that_alertmanager_refuses_is_a_finding(tree: Path, check: Check) -> None:
    edit(tree / "alerts/alertmanager.yml", "receiver: atlas-pager", "receiver: somebody")
    report = check()
    assert report.code == 1
    assert 'amtool check-config: undefined receiver "somebody"' in report.at("alerts/alertmanager.yml")[1]


def test_a_configuration_that_prometheus_refuses_is_named_with_its_line(tree: Path, check: Check) -> None:
    line = edit(tree / "alerts/prometheus.yml", "scrape_timeout:", "scrape_timeot:")
    assert "promtool check config" in check().at("alerts/prometheus.yml")[line]


def test_a_missing_program_is_a_finding_that_says_which_package_brings_it(
    tree: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tree))
    report = check()
    assert report.code == 1
    assert "promtool is not installed" in report.text
    assert "the Debian package `prometheus`" in report.text
    assert "amtool is not installed" in report.text
    assert "the Debian package `prometheus-alertmanager`" in report.text


def test_a_program_that_cannot_be_started_is_a_finding(
    tree: Path, check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "amtool").write_bytes(b"\x00no program\n")
    (tmp_path / "amtool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "did not run" in check().at("alerts/alertmanager.yml")[1]
    assert line_of(tree / "alerts/alertmanager.yml", "receiver")
