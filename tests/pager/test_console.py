"""The console's pages over real HTTP: what they say, what their buttons do, and that nothing an alert says is ever run."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from atlas_ops.pager.console import lists
from atlas_ops.pager.diagnosis.verdict import Finding, Standing, ranked
from atlas_ops.pager.store import rows
from atlas_ops.pager.store.lane import Lane
from tests.pager.alertmanager import running
from tests.pager.console_rig import Scene, hidden, scene
from tests.pager.notes import alert

DAY = 86_400.0


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as served:
        yield served


def test_the_page_of_an_incident_shows_the_message_the_filled_runbook_and_the_timeline(pager: Scene) -> None:
    page = pager.client.get(f"/incidents/{pager.hear(alert(pod='llama-0', namespace='prod'))}")
    assert page.status_code == 200
    for part in (
        "PAGE · QueueBacklog · llama-3-8b",
        "A new request would wait 2m 13s.",
        "prod/llama-0",
        "kubectl -n prod logs llama-0",
        "Mitigation",
        "Escalation",
        "Began: QueueBacklog (prod/llama-0)",
        "No Slack token: this message is shown here alone.",
        'href="http://prometheus:9090/graph?g0.expr=x"',
    ):
        assert part in page.text


def test_a_timeline_of_weeks_is_a_page_that_still_opens(pager: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "SHOWN_EVENTS", 3)
    incident = pager.hear(alert(pod="p"))
    for number in range(9):
        pager.hear(alert(pod="p"), alert(pod=f"pod-{number}"))
    page = pager.page(f"/incidents/{incident}")
    timeline = page[page.index("<h2>Timeline</h2>") :]
    assert [word in timeline for word in ("Began", "pod-5", "pod-6", "pod-8")] == [True, False, True, True]
    assert "the newest lines; 6 others are not shown" in timeline


@pytest.mark.parametrize(
    ("severity", "hours", "warned"), [("page", 3, False), ("page", 6, True), ("ticket", 6, False), ("ticket", 26, True)]
)
def test_an_incident_that_alertmanager_should_have_told_again_by_now_may_be_a_leftover(
    pager: Scene, severity: str, hours: int, warned: bool
) -> None:
    """It repeats pages every four hours, and tickets once a day."""
    incident = pager.hear(alert(severity=severity), ago=hours * 3600.0)
    assert ("it may be over" in pager.page(f"/incidents/{incident}")) is warned


def test_the_runbook_can_be_filled_in_for_another_alert_of_the_group(pager: Scene) -> None:
    found = pager.hear(
        alert(pod="p-1", namespace="n", fingerprint="first"),
        alert(pod="p-2", namespace="n", fingerprint="second"),
    )
    assert "kubectl -n n logs p-1" in pager.page(f"/incidents/{found}")
    assert "kubectl -n n logs p-2" in pager.page(f"/incidents/{found}?alert=second")
    assert "kubectl -n n logs p-1" in pager.page(f"/incidents/{found}?alert=nobody")


def test_a_fault_without_a_runbook_has_its_page_too(pager: Scene) -> None:
    page = pager.page(f"/incidents/{pager.hear(alert('Unheard'))}")
    assert "There is no runbook for Unheard" in page


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}</textarea><svg/onload=alert(1)>"


def test_what_alerts_say_is_shown_and_never_run(pager: Scene) -> None:
    annotations = {"summary": HOSTILE, "impact": HOSTILE, "dashboard_url": "javascript:alert(1)"}
    words = ("alertname", "severity", "model", "pod", "namespace", "server", HOSTILE)
    hostile = alert(annotations=annotations, fingerprint=HOSTILE, labels=dict.fromkeys(words, HOSTILE))
    found = pager.hear(hostile)
    pager.press(found, "acknowledge", who=HOSTILE)
    finding = Finding(cause=HOSTILE, standing=Standing.LIKELY, told=HOSTILE, next_step=HOSTILE, weight=1, query=HOSTILE)
    pager.store.diagnoses.record(found, ranked([finding], time.time()), time.time())
    pages = ["/", f"/incidents/{found}", "/noise", f"/?text={quote(HOSTILE)}&model={quote(HOSTILE)}"]
    pages += [f"/history?fault={quote(HOSTILE)}", f"/runbooks?text={quote(HOSTILE)}"]
    for address in pages:
        page = pager.page(address).replace('<script src="/copy.js" defer></script>', "")
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "<svg/onload" not in page
        assert "javascript:" not in page
        assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in pager.page("/")


def test_pages_read_scripts_from_the_pager_alone_and_hold_none_themselves(pager: Scene) -> None:
    found = pager.hear(alert())
    pages = ("/", "/history", "/noise", f"/incidents/{found}", "/runbooks", "/runbooks/QueueBacklog", "/nowhere")
    for address in pages:
        page = pager.client.get(address)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert set(re.findall(r"<script[^>]*>", page.text)) <= {'<script src="/copy.js" defer>'}
        assert not re.search(r"\son\w+=|\sstyle=", page.text)
        assert 'name="viewport"' in page.text
    assert pager.client.get("/style.css").headers["Content-Type"].startswith("text/css")
    assert pager.client.get("/copy.js").headers["Content-Type"].startswith("text/javascript")


def test_every_runbook_has_a_page_that_names_its_open_incidents(pager: Scene) -> None:
    assert 'href="/runbooks/QueueBacklog"' in pager.page("/runbooks")
    page = pager.client.get("/runbooks/QueueBacklog")
    assert page.status_code == 200
    assert "&lt;namespace&gt;" in page.text
    assert 'id="mitigation"' in page.text
    assert 'href="/runbooks/KvCachePressure#meaning"' in page.text
    assert "/incidents/" not in page.text
    found = pager.hear(alert())
    assert f"/incidents/{found}" in pager.page("/runbooks/QueueBacklog")


@pytest.mark.parametrize(
    "address",
    [
        "/runbooks/Nothing",
        "/runbooks/..%2f..%2fpager.db",
        "/runbooks/%2e%2e",
        "/runbooks/../../etc/passwd",
        "/runbooks/capacity/QueueBacklog",
        "/runbooks/QueueBacklog.md",
        "/incidents/000000000000",
        "/incidents/'%20OR%201=1--",
        "/templates/base.html",
        "/x",
    ],
)
def test_what_is_not_there_is_answered_404_with_a_way_back(pager: Scene, address: str) -> None:
    page = pager.client.get(address)
    assert page.status_code == 404
    assert 'href="/"' in page.text


def test_links_and_forms_stay_below_the_path_of_the_public_address(tmp_path: Path) -> None:
    with scene(tmp_path, external="https://example.org/pager") as pager:
        found = pager.hear(alert())
        for address in ("/", "/history", "/noise", f"/incidents/{found}", "/runbooks", "/nowhere"):
            inner = re.findall(r'(?:href|action|src|srcset)="(/[^"]*)"', pager.client.get(address).text)
            assert inner
            assert all(link.startswith("/pager/") for link in inner)


# --- lists ------------------------------------------------------------------------------------------------------------


def shown(page: str) -> list[str]:
    """The incidents that a list shows, by model."""
    return re.findall(r"<b>\w+</b> · ([\w-]+)", page)


def test_open_incidents_are_found_by_severity_fault_model_and_words(pager: Scene) -> None:
    pager.hear(alert(model="one", summary="x"), group="1")
    pager.hear(alert("KvCachePressure", model="two", severity="ticket"), group="2")
    pager.hear(alert("KvCachePressure", model="three", pod="needle-7"), group="3")
    assert shown(pager.page("/")) == ["three", "one", "two"], "pages before tickets, the newest first"
    assert shown(pager.page("/?severity=ticket")) == ["two"]
    assert shown(pager.page("/?fault=KvCachePressure")) == ["three", "two"]
    assert shown(pager.page("/?model=one")) == ["one"]
    assert shown(pager.page("/?text=NEEDLE")) == ["three"]
    assert shown(pager.page("/?text=needle&severity=ticket")) == []
    assert shown(pager.page("/?text=%25")) == [], "a percent sign is no wildcard"
    assert "Nothing that fires is like that" in pager.page("/?text=nothing")


def test_a_long_list_has_pages_and_is_counted_by_fault_first(pager: Scene) -> None:
    for number in range(lists.PER_PAGE + 2):
        pager.hear(alert(model=f"m{number}"), group=str(number), ago=1000.0 - number)
    first, second = pager.page("/"), pager.page("/?page=2")
    assert "52 open incidents" in first
    assert "By fault" in first
    assert len(shown(first)) == lists.PER_PAGE
    assert shown(second) == ["m1", "m0"]
    assert 'href="/?page=2" rel="next"' in first
    assert 'rel="next"' not in second
    for odd in ("0", "-1", "x", "9" * 30, "1.5", "²"):
        assert "open incidents" in pager.page(f"/?page={odd}")


def test_the_incidents_of_a_storm_are_listed_where_its_message_leads(pager: Scene) -> None:
    for number in range(3):
        pager.hear(alert(model=f"m{number}"), group=str(number), ago=10 - number)
    pager.hear(alert(model="m0", firing=False), group="0")
    storm = pager.store.storms.gather(Lane(channel="ml-oncall", pages=True), "")
    pager.hear(alert(model="later"), group="later")
    link = f"/?storm={storm}"
    assert shown(pager.page(link)) == ["m2", "m1"]
    assert shown(pager.page(f"/history?storm={storm}")) == ["m0"]
    assert f'name="storm" value="{storm}"' in pager.page(link)


def test_what_was_resolved_stays_in_the_history_the_last_first(pager: Scene) -> None:
    for number in range(3):
        pager.hear(alert(model=f"m{number}"), group=str(number))
        ended = alert(model=f"m{number}", firing=False, ends=f"2026-11-24T1{number}:30:00Z")
        pager.hear(ended, group=str(number))
    assert shown(pager.page("/history")) == ["m2", "m1", "m0"]
    assert shown(pager.page("/history?model=m1")) == ["m1"]
    assert "No open incidents" in pager.page("/")
    assert 'href="/history"' in pager.page("/")


def test_the_first_page_is_read_anew_by_itself_unless_somebody_wants_it_still_or_looks_for_something(
    pager: Scene,
) -> None:
    assert 'http-equiv="refresh"' in pager.page("/")
    for address in ("/?still=1", "/?text=x"):
        assert "refresh" not in pager.page(address)


# --- one incident -----------------------------------------------------------------------------------------------------


def test_who_acknowledges_is_named_on_every_page_and_pressing_twice_is_pressing_once(pager: Scene) -> None:
    found = pager.hear(alert())
    form = {**hidden(pager.page(f"/incidents/{found}")), "act": "acknowledge", "who": "Jane Doe"}
    first = pager.client.post(f"/incidents/{found}/deeds", data=form)
    assert first.status_code == 303
    assert "Jane Doe is on it" in pager.page(first.headers["Location"])
    again = pager.client.post(f"/incidents/{found}/deeds", data=form)
    assert "done already" in pager.page(again.headers["Location"])
    page = pager.page(f"/incidents/{found}")
    assert page.count("<li><time>") == 2, "it began, and one acknowledgement"
    assert 'value="acknowledge"' not in page
    assert "Jane Doe is on it" in pager.page("/")


def test_what_came_of_a_deed_is_told_on_the_next_page_alone(pager: Scene) -> None:
    found = pager.hear(alert())
    answer = pager.press(found, "escalate")
    assert "Nobody is named to escalate to" in html.unescape(pager.page(answer.headers["Location"]))
    assert "Nobody is named to escalate to" not in pager.page(f"/incidents/{found}?told=Nobody+is+named")


def test_without_an_alertmanager_a_silence_says_what_went_wrong_and_changes_nothing(pager: Scene) -> None:
    found = pager.hear(alert())
    answer = pager.press(found, "silence 4 h")
    page = pager.page(answer.headers["Location"])
    assert "That did not work" in page
    assert "Silenced until" not in page


def test_a_silence_is_one_of_alertmanager_and_can_be_ended(tmp_path: Path) -> None:
    with running(tmp_path) as address, scene(tmp_path, alertmanager=address) as pager:
        found = pager.hear(alert())
        page = pager.page(pager.press(found, "silence 30 min", who="Jane").headers["Location"])
        assert "Silenced until" in page
        assert "by Jane" in page
        page = pager.page(pager.press(found, "unsilence", who="Jane").headers["Location"])
        assert "Silenced until" not in page.partition("Timeline")[0]
        assert "Jane ended the silence" in page


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "delete"},
        {"act": "silence"},
        {"act": "silence 99 h"},
        {"act": "acknowledge 4 h"},
        {"act": "acknowledge", "key": "x"},
    ],
)
def test_a_form_that_asks_for_nothing_we_know_is_refused(pager: Scene, fields: dict[str, str]) -> None:
    found = pager.hear(alert())
    answer = pager.press(found, **fields)
    assert answer.status_code == 400
    assert "Nobody has acknowledged it" in pager.page(f"/incidents/{found}")


def test_the_buttons_of_an_incident_that_is_over_are_those_that_still_make_sense(pager: Scene) -> None:
    found = pager.hear(alert())
    pager.hear(alert(firing=False))
    page = pager.page(f"/incidents/{found}")
    assert re.findall(r'<button name="act" value="(\w+)"', page) == ["not_actionable"]
    pager.press(found, "not_actionable", who="Jane")
    assert "Jane says that there was nothing to do" in pager.page(f"/incidents/{found}")


def test_runbooks_are_found_by_words_of_their_text_and_of_their_commands(pager: Scene) -> None:
    def found(text: str) -> list[str]:
        return re.findall(r'href="/runbooks/(\w+)"', pager.page(f"/runbooks?text={quote(text)}"))

    assert found("") == ["KvCachePressure", "QueueBacklog"]
    assert found("batch jobs") == ["QueueBacklog"]
    assert found("KUBECTL scale") == ["QueueBacklog"]
    assert found("full") == ["KvCachePressure"]
    assert found("queuebacklog") == ["QueueBacklog"]
    assert found("batch nothing-like-it") == []
    assert "Hold back batch jobs" in pager.page("/runbooks?text=batch")


def test_the_noise_report_counts_what_came_of_the_incidents_of_each_fault(pager: Scene) -> None:
    def course(group: str, *, days: float, lasted: float, name: str = "QueueBacklog") -> str:
        start = time.time() - days * DAY
        began, ended = (datetime.fromtimestamp(at, UTC).isoformat() for at in (start, start + lasted))
        found = pager.hear(alert(name, starts=began), group=group, ago=days * DAY)
        pager.hear(alert(name, starts=began, firing=False, ends=ended), group=group, ago=days * DAY - lasted)
        return found

    course("a", days=1, lasted=120)
    useless = course("b", days=2, lasted=3600)
    course("c", days=20, lasted=3600)
    course("d", days=1, lasted=3600, name="EngineStalled")
    open_one = pager.hear(alert(), group="e", ago=600)
    pager.press(open_one, "acknowledge")
    pager.press(useless, "not_actionable")

    def row(page: str, fault: str) -> list[str]:
        found = re.search(rf">{fault}</a>.*?</tr>", page, re.DOTALL)
        assert found is not None
        cells = re.findall(r"<td>(.*?)</td>", found[0], re.DOTALL)
        return [" ".join(re.sub(r"<[^>]*>", "", cell).split()) for cell in cells]

    week, month = pager.page("/noise"), pager.page("/noise?days=30")
    assert row(week, "QueueBacklog") == ["3", "1 (33 %)", "10 min", "1 (33 %)", "1 (33 %)"]
    assert row(month, "QueueBacklog")[0] == "4"
    assert row(week, "EngineStalled") == ["1", "0 (0 %)", "", "0 (0 %)", "0 (0 %)"]
