"""Who is told of what, asked of Alertmanager's own tool; and the settings that decide it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.errors import ConfigError
from atlas_ops.pager.webhook import MAX_BODY_BYTES
from atlas_ops.render import alertmanager, prometheus, rules

FALLBACK = "{alertmanager: {slack_api_url_file: /etc/alertmanager/slack-url, slack_channel: '#ml-oncall'}}"
PAGER = "atlas-pager"
NOBODY = "nobody"
SLACK = "slack-without-pager"
COPY = "alertname=PagerDeliveryFailing variant=undelivered severity=info"


def configuration(text: str = "") -> str:
    config = settings.parse(text)
    return alertmanager.render(build_catalog(config.parameters), config)["alerts/alertmanager.yml"]


def amtool(folder: Path, text: str, *arguments: str) -> str:
    program = shutil.which("amtool")
    assert program
    file = folder / "alertmanager.yml"
    file.write_text(text)
    command = [program, *arguments, f"--config.file={file}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=Watchdog severity=info family=blindness", PAGER),
        ("alertname=QueueBacklog severity=page family=capacity model=llama", PAGER),
        ("alertname=GpuLost severity=page family=hardware node=n1", PAGER),
        ("alertname=PreemptionStorm severity=ticket family=capacity", PAGER),
        ("alertname=NvlinkErrors severity=ticket family=hardware", PAGER),
        ("alertname=WorkloadMixShift severity=info family=drift", NOBODY),
        ("alertname=SomebodyElses", PAGER),
        ("alertname=PagerDeliveryFailing variant=down severity=page", f"{SLACK},{PAGER}"),
        (COPY, SLACK),
    ],
)
def test_each_kind_of_alert_goes_where_it_should(tmp_path: Path, labels: str, receivers: str) -> None:
    told = amtool(tmp_path, configuration(FALLBACK), "config", "routes", "test", *labels.split())
    assert told.strip() == receivers


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [("alertname=PagerDeliveryFailing variant=down severity=page", PAGER), (COPY, NOBODY)],
)
def test_without_a_way_around_the_pager_its_fault_goes_to_it_and_copies_to_nobody(
    tmp_path: Path, labels: str, receivers: str
) -> None:
    told = amtool(tmp_path, configuration(), "config", "routes", "test", *labels.split())
    assert told.strip() == receivers
    assert "slack" not in configuration()


def test_alertmanager_shows_the_pager_the_token_of_a_file_and_it_accepts_the_configuration(tmp_path: Path) -> None:
    text = configuration("pager: {webhook_token_file: /run/secrets/webhook-token}")
    (receiver,) = (one for one in yaml.safe_load(text)["receivers"] if one["name"] == PAGER)
    shown = {"authorization": {"credentials_file": "/run/secrets/webhook-token"}}
    assert receiver["webhook_configs"][0]["http_config"] == shown
    assert PAGER in amtool(tmp_path, text, "config", "routes", "show")
    assert "http_config" not in configuration()


def test_tickets_wait_longer_than_pages_and_are_told_again_more_rarely() -> None:
    root = yaml.safe_load(configuration())["route"]
    (tickets,) = (route for route in root["routes"] if route.get("matchers") == ['severity="ticket"'])
    assert (root["group_wait"], root["group_interval"], root["repeat_interval"]) == ("10s", "1m", "4h")
    assert (tickets["group_wait"], tickets["group_interval"], tickets["repeat_interval"]) == ("2m", "15m", "24h")


def test_an_incident_is_a_model_and_a_cause_and_of_hardware_a_node_and_a_cause() -> None:
    root = yaml.safe_load(configuration())["route"]
    assert root["group_by"] == ["alertname", "severity", "namespace", "model"]
    (tickets,) = (route for route in root["routes"] if route.get("matchers") == ['severity="ticket"'])
    for routes in (root["routes"], tickets["routes"]):
        (hardware,) = (route for route in routes if route.get("matchers") == ['family="hardware"'])
        assert hardware["group_by"] == ["alertname", "severity", "node"]


def test_the_largest_group_of_the_largest_alert_is_never_larger_than_what_the_pager_takes() -> None:
    """What it refuses for its size, Alertmanager does not send again."""
    config = settings.parse("")
    files = rules.render(build_catalog(config.parameters), config)
    made = [rule for text in files.values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    labels = {f"label{number}": "x" * 60 for number in range(10)}
    sizes = {
        rule["alert"]: len(json.dumps([rule["annotations"], rule["labels"], labels]) + quote(rule["expr"]))
        for rule in made
        if "alert" in rule
    }
    (webhook,) = yaml.safe_load(configuration())["receivers"][0]["webhook_configs"]
    assert webhook["max_alerts"] * max(sizes.values()) < MAX_BODY_BYTES


def test_no_fault_of_blindness_hides_anything() -> None:
    sources = [" ".join(rule["source_matchers"]) for rule in yaml.safe_load(configuration())["inhibit_rules"]]
    blind = [fault.name for fault in build_catalog().faults if fault.family.value == "blindness"]
    assert len(blind) == 7
    assert not [source for source in sources if any(name in source for name in blind)]


def test_the_message_around_the_pager_holds_no_secret_and_no_label_can_shout_in_it(tmp_path: Path) -> None:
    (receiver,) = (r for r in yaml.safe_load(configuration(FALLBACK))["receivers"] if r["name"] == SLACK)
    (slack,) = receiver["slack_configs"]
    assert (slack["api_url_file"], slack["channel"]) == ("/etc/alertmanager/slack-url", "#ml-oncall")
    alert = {
        "status": "firing",
        "labels": {"alertname": "PagerDeliveryFailing", "page": "capacity/<!here>", "model": "<!channel> & co"},
        "annotations": {"summary": "A page that the pager does not tell.", "runbook_url": "http://pager/x"},
    }
    data = {"status": "firing", "commonLabels": alert["labels"], "alerts": [alert]}
    (tmp_path / "data.json").write_text(json.dumps(data))
    told = {key: rendered(tmp_path, slack[key]) for key in ("title", "text", "color")}
    assert told["title"].startswith("FIRING: capacity/&lt;!here&gt; (told by Alertmanager itself")
    assert told["color"] == "danger"
    (tmp_path / "data.json").write_text(json.dumps({**data, "commonLabels": {"page": "<!here> & <http://x>"}}))
    assert "FIRING: &lt;!here&gt; &amp; &lt;http://x&gt; (told" in rendered(tmp_path, slack["title"])
    assert told["text"].splitlines() == [
        "A page that the pager does not tell.",
        "model=&lt;!channel&gt; &amp; co ",
        "http://pager/x",
    ]


def rendered(folder: Path, template: str) -> str:
    program = shutil.which("amtool")
    assert program
    (folder / "none.tmpl").write_text("")
    command = [
        program,
        "template",
        "render",
        f"--template.glob={folder}/none.tmpl",
        f"--template.data={folder}/data.json",
    ]
    done = subprocess.run([*command, f"--template.text={template}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "alertmanager: {slack_api_url_file: 'https://hooks.slack.com/services/T/B/x'}",
            "found an address: it is a secret",
        ),
        ("alertmanager: {slack_api_url_file: hooks.slack.com/services/T/B/x}", "found an address: it is a secret"),
        ("alertmanager: {slack_channel: '#ml'}", "expected slack_api_url_file beside it"),
        ("alertmanager: {slack_api_url: x}", "slack_api_url"),
    ],
)
def test_wrong_settings_of_the_way_around_the_pager_are_refused_and_no_secret_is_repeated(
    text: str, mistake: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.parse(text)
    assert mistake in str(caught.value)
    assert "hooks.slack.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", True),
        ("exporter: {gpus: false}", True),
        ("native: [{runtime: vllm}]", True),
        ("{native: [{runtime: vllm}], exporter: {gpus: false}, servers: [{url: 'http://a:1', runtime: triton}]}", True),
        ("{native: [{runtime: vllm}], exporter: {gpus: false}}", False),
    ],
)
def test_an_exporter_is_missed_only_where_it_has_something_to_measure(text: str, expected: bool) -> None:
    config = settings.parse(text)
    catalog = build_catalog(config.parameters)
    assert ("absent(up" in rules.render(catalog, config)["alerts/blindness.yaml"]) == expected
    jobs = yaml.safe_load(prometheus.render(catalog, config)["alerts/prometheus.yml"])["scrape_configs"]
    assert ("atlas-exporter" in [job["job_name"] for job in jobs]) == expected
    assert "atlas-pager" in [job["job_name"] for job in jobs]


OWN = """\
global: {smtp_smarthost: "mail.example.org:587", smtp_from: alerts@example.org}
time_intervals:
  - name: office
    time_intervals: [{times: [{start_time: 10:00, end_time: 18:00}], weekdays: ["monday:friday"]}]
receivers:
  - {name: duty, email_configs: [{to: duty@example.org}]}
  - {name: snitch, webhook_configs: [{url: "https://snitch.example.org/"}]}
routes:
  - {matchers: ['alertname="Watchdog"'], receiver: snitch}
  - {matchers: ['severity="page"', 'k8s_namespace_name="chat"'], receiver: duty}
  - {matchers: ['team="other"'], receiver: duty, continue: false}
inhibit_rules:
  - {source_matchers: ['alertname="Maintenance"'], target_matchers: ['severity="ticket"'], equal: [model]}
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    file = tmp_path / "own.yml"
    file.write_text(OWN)
    return f"alertmanager: {{extra_file: {file}}}"


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=Watchdog severity=info", f"snitch,{PAGER}"),
        ("alertname=QueueBacklog severity=page k8s_namespace_name=chat", f"duty,{PAGER}"),
        ("alertname=QueueBacklog severity=page k8s_namespace_name=other", PAGER),
        ("alertname=GpuLost severity=page family=hardware k8s_namespace_name=chat", f"duty,{PAGER}"),
        ("alertname=WorkloadMixShift severity=info family=drift", NOBODY),
        ("alertname=SomebodyElses team=other", "duty"),
    ],
)
def test_own_receivers_work_beside_the_pager(tmp_path: Path, own: str, labels: str, receivers: str) -> None:
    told = amtool(tmp_path, configuration(own), "config", "routes", "test", *labels.split())
    assert told.strip() == receivers


def test_alertmanager_accepts_what_came_with_own_routes(tmp_path: Path, own: str) -> None:
    program = shutil.which("amtool")
    assert program
    file = tmp_path / "alertmanager.yml"
    file.write_text(configuration(own))
    checked = subprocess.run([program, "check-config", str(file)], capture_output=True, text=True, check=True)
    assert "SUCCESS" in checked.stdout
    assert "time_intervals" in file.read_text()
    assert "start_time: '10:00'" in file.read_text(), "no number of minutes"
    assert yaml.safe_load(file.read_text())["inhibit_rules"][-1]["equal"] == ["model"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "cannot be read"),
        ("routes: [", "not YAML"),
        ("- a", "expected keys of receivers"),
        ("route: {}", "route: unknown key; known keys: receivers, routes"),
        ("receivers: {}", "receivers: expected a list"),
        ("routes: [a]", "routes: expected a list of keys with values"),
        ("receivers: [{name: atlas-pager}, {}, {name: a}, {name: a}]", "atlas-pager is one of atlas-ops' own"),
        ("receivers: [{name: atlas-pager}, {}, {name: a}, {name: a}]", "receivers: each needs a name"),
        ("receivers: [{name: atlas-pager}, {}, {name: a}, {name: a}]", "receivers: a is there twice"),
        ("routes: [{routes: [{receiver: b}]}]", "routes: there is no receiver b"),
    ],
)
def test_mistakes_of_own_routes_are_told_with_the_settings(tmp_path: Path, held: str | None, said: str) -> None:
    file = tmp_path / "own.yml"
    if held is not None:
        file.write_text(held)
    with pytest.raises(ConfigError) as raised:
        settings.parse(f"alertmanager: {{extra_file: {file}}}")
    assert any(said in mistake for mistake in raised.value.mistakes)
    assert all("line 1: alertmanager.extra_file" in mistake for mistake in raised.value.mistakes)
