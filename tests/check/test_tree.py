"""`atlas-ops check` notices every way in which a tree can come apart, and names file and line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from atlas_ops import cli
from tests.check.conftest import Check, edit, line_of

CAPACITY = "alerts/capacity.yaml"
QUEUE = "runbooks/capacity/QueueBacklog.md"
FLEET = "dashboards/fleet.json"

pytestmark = pytest.mark.usefixtures("lenient_programs")


def test_a_whole_tree_has_no_findings(check: Check) -> None:
    report = check()
    assert report.text.endswith("nothing found\n")
    assert report.code == 0


def test_a_deleted_runbook_is_named_together_with_every_line_that_links_to_it(tree: Path, check: Check) -> None:
    (tree / QUEUE).unlink()
    report = check()
    assert report.code == 1
    assert report.at(QUEUE) == {1: "the runbook of QueueBacklog is missing\n"}
    line = line_of(tree / CAPACITY, "runbooks/QueueBacklog#")
    assert report.at(CAPACITY) == {line: f"links to {QUEUE}, which does not exist\n"}
    assert QUEUE in report.at(FLEET)[line_of(tree / FLEET, "runbooks/QueueBacklog#")]


def test_a_step_that_does_not_say_whether_it_changes_anything_is_found(tree: Path, check: Check) -> None:
    edit(tree / QUEUE, "(change; undo: scale back to the old number)", "")
    report = check()
    assert report.code == 1
    found = report.at(QUEUE)[line_of(tree / QUEUE, "## Mitigation")]
    assert "Mitigation: a step does not say what it is or what it changes: 'Add a replica" in found


def test_a_section_whose_steps_are_no_numbered_list_is_found(tree: Path, check: Check) -> None:
    text = (tree / QUEUE).read_text()
    begin, end = text.index("## Mitigation"), text.index("## Escalation")
    (tree / QUEUE).write_text(text[:begin] + "## Mitigation\n\nDo something.\n\n" + text[end:])
    assert "Mitigation has no steps" in check().at(QUEUE)[line_of(tree / QUEUE, "## Mitigation")]


def test_a_runbook_without_fault_is_stray(tree: Path, check: Check) -> None:
    shutil.copy(tree / QUEUE, tree / "runbooks/capacity/QueueBaklog.md")
    report = check()
    assert report.code == 1
    assert "no fault" in report.at("runbooks/capacity/QueueBaklog.md")[1]


def test_a_renamed_signal_in_one_rule_is_named_with_the_right_one(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "atlas_requests_waiting", "atlas_request_waiting")
    report = check()
    assert report.code == 1
    assert "atlas_request_waiting is neither" in report.at(CAPACITY)[line]
    assert "did you mean atlas_requests_waiting?" in report.at(CAPACITY)[line]


def test_an_unknown_metric_in_a_block_of_several_lines_is_found_on_its_own_line(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "atlas_preemptions_total", "vllm:num_preemptions_total")
    assert "expr" not in (tree / CAPACITY).read_text().splitlines()[line - 1]
    assert "vllm:num_preemptions_total" in check().at(CAPACITY)[line]


def test_an_unknown_metric_in_a_dashboard_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / FLEET, "sum(atlas_server_up{", "sum(atlas_servers_up{")
    assert "did you mean atlas_server_up?" in check().at(FLEET)[line]


def test_an_unknown_metric_in_the_variable_of_a_dashboard_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / FLEET, '"query": "label_values(atlas_server_up,', '"query": "label_values(atlas_servers_up,')
    assert "did you mean atlas_server_up?" in check().at(FLEET)[line - 1]  # where the variable's query begins


def test_an_unknown_metric_in_a_test_of_a_rule_is_found(tree: Path, check: Check) -> None:
    path = "tests/alerts/capacity/QueueBacklog_test.yaml"
    line = edit(tree / path, "atlas_requests_waiting{", "atlas_requests_wating{")
    report = check()
    assert report.code == 1
    assert "did you mean atlas_requests_waiting?" in report.at(path)[line]


def test_an_unknown_metric_in_a_command_of_a_runbook_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / QUEUE, "atlas_requests_running{", "atlas_request_running{")
    report = check()
    assert report.code == 1
    assert "did you mean atlas_requests_running?" in report.at(QUEUE)[line]


def test_a_path_a_pattern_and_a_histogram_as_a_whole_are_no_unknown_metrics(tree: Path, check: Check) -> None:
    with (tree / QUEUE).open("a") as page:
        page.write("atlas_ops/check, atlas_requests_(running|waiting), ^atlas_pager_, atlas_queue_time_seconds\n")
    assert check().code == 0


def test_a_recording_that_nothing_records_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "server:atlas_queue_wait:predicted_seconds >", "server:atlas_queue_wait:seconds >")
    assert "did you mean server:atlas_queue_wait:predicted_seconds?" in check().at(CAPACITY)[line]


def test_a_label_that_the_expression_does_not_leave_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "queue of {{ $labels.server }}", "queue of {{ $labels.pod }}")
    report = check()
    assert report.code == 1
    assert "summary of QueueBacklog names the label 'pod'" in report.at(CAPACITY)[line]


def test_a_label_that_only_the_memory_of_a_page_has_is_found(tree: Path, check: Check) -> None:
    text = (tree / CAPACITY).read_text()
    labels = re.search(r'max by \(([^()]*)\) \(alert:atlas_page_unseen:firing\{alertname="QueueBacklog"', text)
    assert labels
    edit(tree / CAPACITY, labels[0], labels[0].replace(labels[1], f"{labels[1]}, gpu"))
    line = edit(tree / CAPACITY, "queue of {{ $labels.server }}", "queue of {{ $labels.gpu }}")
    assert "summary of QueueBacklog names the label 'gpu'" in check().at(CAPACITY)[line]


def test_an_edited_generated_file_is_shown_with_what_belongs_there(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "for: 1m", "for: 3m")
    report = check()
    assert report.code == 1
    assert "found 'for: 3m', expected 'for: 1m'" in report.at(CAPACITY)[line]


def test_a_missing_generated_file_is_found(tree: Path, check: Check) -> None:
    (tree / "alerts/alertmanager.yml").unlink()
    report = check()
    assert report.code == 1
    assert "missing" in report.at("alerts/alertmanager.yml")[1]


def test_a_file_that_ends_too_early_says_what_should_follow(tree: Path, check: Check) -> None:
    lines = (tree / CAPACITY).read_text().splitlines(keepends=True)
    (tree / CAPACITY).write_text("".join(lines[:-1]))
    assert "found the end of the file" in check().at(CAPACITY)[len(lines)]


@pytest.mark.parametrize(
    "original",
    [CAPACITY, FLEET, "dashboards/configmaps/model.yaml", "dashboards/provisioning/datasources/atlas-ops.yaml"],
)
def test_a_generated_file_that_nothing_generates_any_more_is_stray(tree: Path, check: Check, original: str) -> None:
    stray = f"{Path(original).parent}/old{Path(original).suffix}"
    shutil.copy(tree / original, tree / stray)
    report = check()
    assert report.code == 1
    assert "nothing generates it" in report.at(stray)[1]


def test_files_of_the_user_beside_the_generated_ones_are_welcome(tree: Path, check: Check) -> None:
    (tree / "alerts/mine.yaml").write_text("groups: [{name: mine, rules: [{record: a:b:c, expr: up}]}]\n")
    (tree / "dashboards/mine.json").write_text(json.dumps({"uid": "mine", "panels": []}))
    assert check().code == 0


@pytest.mark.parametrize("path", ["alerts/broken.yaml", "dashboards/broken.json"])
def test_a_file_that_cannot_be_read_is_a_finding_and_not_a_crash(tree: Path, check: Check, path: str) -> None:
    (tree / path).write_bytes(b"a: [1,\n\xff}\n")
    report = check()
    assert report.code == 1
    assert "not YAML" in "".join(report.at(path).values())


def test_a_heading_that_a_rule_links_to_cannot_be_renamed_unnoticed(tree: Path, check: Check) -> None:
    edit(tree / QUEUE, "## Mitigation", "## Mitigations")
    report = check()
    assert report.code == 1
    assert "has no heading 'Mitigation'; did you mean Mitigations?" in report.at(QUEUE)[1]
    line = line_of(tree / CAPACITY, "runbooks/QueueBacklog#")
    assert f"links to {QUEUE}#mitigation, a heading that does not exist" in report.at(CAPACITY)[line]


def test_a_link_of_a_rule_to_a_wrong_heading_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "runbooks/QueueBacklog#mitigation", "runbooks/QueueBacklog#mitigaton")
    assert f"{QUEUE}#mitigaton, a heading that does not exist; did you mean mitigation?" in check().at(CAPACITY)[line]


def test_a_link_of_a_rule_to_a_wrong_fault_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / CAPACITY, "runbooks/QueueBacklog#", "runbooks/QueueBackLog#")
    assert "did you mean QueueBacklog?" in check().at(CAPACITY)[line]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "?viewPanel=",
            "?viewPanel=999",
            "links to panel 999807913804 of the dashboard atlas-capacity-cost, which does not exist",
        ),
        (
            "/d/atlas-capacity-cost/",
            "/d/atlas-capacity/",
            "links to the dashboard atlas-capacity, which does not exist; did you mean atlas-capacity-cost?",
        ),
        (
            "&var-model=",
            "&var-models=",
            "chooses the variable models of the dashboard atlas-capacity-cost, which does not exist; did you mean model?",
        ),
    ],
)
def test_a_link_of_a_rule_to_a_panel_a_dashboard_or_a_choice_that_is_not_there_is_found(
    tree: Path, check: Check, old: str, new: str, finding: str
) -> None:
    number = line_of(tree / CAPACITY, "?viewPanel=807913804")  # QueueBacklog's
    lines = (tree / CAPACITY).read_text().splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    (tree / CAPACITY).write_text("".join(lines))
    assert finding in check().at(CAPACITY)[number]


def test_a_link_of_a_value_to_a_dashboard_that_cannot_choose_it_is_found(tree: Path, check: Check) -> None:
    line = edit(
        tree / FLEET,
        "/d/atlas-model?${datasource:queryparam}&var-namespace=",
        "/d/atlas-model?${datasource:queryparam}&var-node=",
    )
    assert "chooses the variable node of the dashboard atlas-model" in check().at(FLEET)[line]


def test_a_link_to_a_dashboard_of_the_user_is_left_in_peace(tree: Path, check: Check) -> None:
    board = {"uid": "mine", "panels": [], "links": [{"url": "https://grafana/d/theirs/theirs?viewPanel=1&var-x=y"}]}
    (tree / "dashboards/mine.json").write_text(json.dumps(board))
    assert check().code == 0


@pytest.mark.parametrize(
    ("link", "finding"),
    [
        (
            "runbooks/capacity/QueueBacklog.md#mitigatoin",
            "mitigatoin, a heading that does not exist; did you mean mitigation?",
        ),
        ("runbooks/capacity/NoSuch.md", "links to runbooks/capacity/NoSuch.md, which does not exist"),
        ("/runbooks/nowhere/", "links to runbooks/nowhere, which does not exist"),
        ("#no-such-heading", "links to PAGE.md#no-such-heading, a heading that does not exist"),
        ("../outside.md", "leads out of the tree"),
    ],
)
def test_a_broken_link_in_a_page_is_found_on_its_line(tree: Path, check: Check, link: str, finding: str) -> None:
    (tree / "PAGE.md").write_text(f"# Page\n\nSome text that goes on\nfor two lines with a [link]({link}).\n")
    report = check()
    assert report.code == 1
    assert finding in report.at("PAGE.md")[4]


def test_a_link_in_html_that_is_no_address_is_found(tree: Path, check: Check) -> None:
    (tree / "PAGE.md").write_text('# Page\n\n<p>\n<a href="http://[oops/">x</a>\n</p>\n')
    assert "an address that does not exist" in check().at("PAGE.md")[4]


def test_links_that_lead_somewhere_are_left_in_peace(tree: Path, check: Check) -> None:
    (tree / "docs").mkdir(exist_ok=True)
    (tree / "docs/PAGE.md").write_text(
        "# A page, with: signs & `code`\n## Twice\n## Twice\n<a id='x' name=\"by-hand\"></a>\n\n"
        "[a](#a-page-with-signs--code) [b](#twice-1) [c](#by-hand) [d](../runbooks/capacity/QueueBacklog.md#impact)\n"
        "[e](/alerts) [f](https://example.org/x.md#y) [g](mailto:a@example.org) [h](<{{ url }}/x.md>) ![i](PAGE.md)\n"
        "[j][ref] `[k](nowhere.md)`\n\n[ref]: ../alerts/capacity.yaml#L3\n"
    )
    assert check().code == 0


def test_a_placeholder_that_alerts_of_the_fault_cannot_fill_is_found(tree: Path, check: Check) -> None:
    text = (tree / QUEUE).read_text()
    (tree / QUEUE).write_text(f"{text}\nLook at {{{{severity}}}}, {{{{pod|server}}}} and {{{{pod|gpu}}}}.\n")
    report = check()
    assert report.code == 1
    assert report.at(QUEUE) == {
        len(text.splitlines()) + 2: "placeholder {{pod|gpu}}: alerts of QueueBacklog carry no 'gpu'\n"
    }


def test_a_runbook_whose_facts_are_out_of_date_is_found(tree: Path, check: Check) -> None:
    line = edit(tree / QUEUE, "predicted_seconds > 10", "predicted_seconds > 11")
    report = check()
    assert report.code == 1
    assert "out of date" in report.at(QUEUE)[line]


def test_a_runbook_without_facts_is_found(tree: Path, check: Check) -> None:
    edit(tree / QUEUE, "<!-- facts:end -->", "")
    assert "no facts block" in check().at(QUEUE)[1]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("exp_alerts: []", "exp_alerts: [{exp_labels: {a: b}}]", "no case in which ModelServerDown must stay silent"),
        ("alertname: ModelServerDown", "alertname: EngineStalled", "no case in which ModelServerDown fires"),
    ],
)
def test_a_fault_that_is_not_tested_both_ways_is_found(
    tree: Path, check: Check, old: str, new: str, finding: str
) -> None:
    path = tree / "tests/alerts/availability/ModelServerDown_test.yaml"
    path.write_text(path.read_text().replace(old, new))
    report = check()
    assert report.code == 1
    assert finding in report.at("tests/alerts/availability/ModelServerDown_test.yaml")[1]


def test_a_test_of_an_alert_that_does_not_exist_is_found(tree: Path, check: Check) -> None:
    path = "tests/alerts/hardware/GpuThermalThrottling_test.yaml"
    line = edit(tree / path, "alertname: GpuThermalThrottling", "alertname: GpuThermalThrotling")
    assert "did you mean GpuThermalThrottling?" in check().at(path)[line]


def test_a_tree_without_tests_such_as_the_shipped_one_is_whole(tree: Path, check: Check) -> None:
    shutil.rmtree(tree / "tests")
    assert check().code == 0


def test_a_dialect_that_names_no_signal_of_the_contract_is_found(tree: Path, check: Check) -> None:
    path = sorted((tree / "exporters").glob("*.yaml"))[0]
    line = edit(path, "atlas_requests_running:", "atlas_request_running:")
    report = check()
    assert report.code == 1
    assert "atlas_requests_running" in report.at(f"exporters/{path.name}")[line]


def test_other_settings_than_those_of_the_build_are_noticed_and_build_mends_it(
    tree: Path, check: Check, tmp_path: Path
) -> None:
    config = tmp_path / "atlas-ops.yaml"
    config.write_text("limits: {kv_cache_usage_ratio: 0.8}\n")
    before = check("--config", str(config))
    assert before.code == 1
    showing = {"model", "server", "capacity-cost", "incident"}
    boards = {path for name in showing for path in (f"dashboards/{name}.json", f"dashboards/configmaps/{name}.yaml")}
    assert {CAPACITY, "alerts/README.md", *boards, "runbooks/capacity/KvCachePressure.md"} == {
        line.partition(":")[0] for line in before.text.splitlines()[:-1] if not line.startswith("  ->")
    }
    assert cli.main(["build", "--output", str(tree), "--config", str(config)]) == 0
    assert check("--config", str(config)).code == 0


def test_a_folder_that_is_not_there_is_a_mistake_of_the_caller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
