from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas_ops.pager.runbooks import runbook
from atlas_ops.pager.runbooks.html import to_html
from atlas_ops.pager.runbooks.runbook import Runbook
from tests.pager.notes import RUNBOOK, runbooks

BOOK = Runbook(fault="QueueBacklog", family="capacity", text=RUNBOOK)
BARE_HOST = {"model": "llama", "server": "10.0.0.1:8000"}
IN_KUBERNETES = {**BARE_HOST, "namespace": "prod", "pod": "llama-0"}


def address(fault: str) -> str:
    return f"/runbooks/{fault}" if fault == "KvCachePressure" else ""


def test_a_runbook_is_found_by_its_fault_and_nothing_else_is(tmp_path: Path) -> None:
    folder = runbooks(tmp_path / "runbooks")
    (tmp_path / "secret.md").write_text("# secret")
    (folder / "capacity" / "README.md").write_text("# no fault")
    found = runbook.load(folder, "QueueBacklog")
    assert found == BOOK
    for name in ("../secret", "../../secret", "capacity/QueueBacklog", "README", "queuebacklog", "*", "", "\x00"):
        assert runbook.load(folder, name) is None
    assert runbook.names(folder) == (("capacity", "KvCachePressure"), ("capacity", "QueueBacklog"))
    assert runbook.load(tmp_path / "nowhere", "QueueBacklog") is None


def test_the_steps_of_a_section_are_read() -> None:
    first, second, third, fourth = BOOK.steps("Mitigation")
    assert first.title == "Add a replica"
    assert first.effect == "change"
    assert first.undo == "kubectl -n {{namespace}} scale deploy/x --replicas=1 (takes a minute)"
    assert first.prose == "It helps after loading."
    assert "--replicas=2" in first.commands[0]
    assert (second.effect, second.undo, second.prose) == ("change", "let them in", "At the gateway.")
    assert (third.title, third.effect, third.commands) == ("Ask for less", "read", ())
    assert fourth.title == "The fourth"
    assert [step.title for step in BOOK.steps("Diagnosis")] == ["Confirm that the queue grows", "Look at the pod"]
    assert BOOK.steps("Nothing") == ()


def test_a_step_without_a_bold_title_is_read_by_its_first_sentence() -> None:
    plain = Runbook(fault="X", family="y", text="## Mitigation\n\n1. Restart it. Then wait.\n2. *odd*\n3.\n")
    first, second, third = plain.steps("Mitigation")
    assert (first.title, first.prose) == ("Restart it", "Then wait.")
    assert second.title == "odd"
    assert third.title == ""


def test_a_title_with_code_or_emphasis_in_it_is_one_line_of_text() -> None:
    text = "## Mitigation\n\n1. **`down`: *start* it, or [look](x.md).** (read)\n"
    assert Runbook(fault="X", family="y", text=text).steps("Mitigation")[0].title == "down: start it, or look"


def test_a_table_in_a_step_stands_on_the_page_and_not_in_its_prose() -> None:
    text = "## Mitigation\n\n1. **Restart it.** (read)\n   Soon.\n\n   | a | b |\n   |---|---|\n   | one | two |\n\n   After that, wait.\n"
    book = Runbook(fault="X", family="y", text=text)
    assert book.steps("Mitigation")[0].prose == "Soon.\nAfter that, wait."
    assert "<td>two</td>" in to_html(book, None, address)


def test_a_filled_step_has_no_command_that_cannot_be_run() -> None:
    step = BOOK.steps("Mitigation")[0]
    on_host = runbook.fill(step, BARE_HOST)
    assert on_host.commands == ("# anywhere\ncurl -s http://10.0.0.1:8000/health",)
    assert on_host.undo.startswith("kubectl -n <namespace>")
    in_pod = runbook.fill(step, IN_KUBERNETES)
    assert "kubectl -n prod scale deploy/x \\\n  --replicas=2" in in_pod.commands[0]
    assert runbook.fill(BOOK.steps("Diagnosis")[1], BARE_HOST).commands == ()


def test_the_page_of_a_runbook_shows_its_placeholders() -> None:
    page = to_html(BOOK, None, address)
    assert "kubectl -n &lt;namespace&gt; logs &lt;pod&gt;" in page
    assert "The queue of &lt;model&gt; on &lt;pod|server&gt;" in page
    assert "{{" not in page
    assert "facts:begin" not in page
    assert 'id="mitigation"' in page


def test_the_page_of_an_incident_leaves_out_what_cannot_be_run_and_says_so() -> None:
    page = to_html(BOOK, BARE_HOST, address)
    assert "kubectl logs" not in page
    assert "curl -s http://10.0.0.1:8000/metrics" in page
    assert "need namespace, pod" in page


def test_links_between_runbooks_lead_to_their_pages_and_dead_ones_become_text() -> None:
    text = (
        "[good](../capacity/KvCachePressure.md#meaning) [dead](../x/Nothing.md) [up](../../README.md) [here](#impact) "
        "[out](https://example.org/x) [bad](javascript:alert) [odd](//evil/x) [hole](http://{{server}}/)"
    )
    page = to_html(Runbook(fault="X", family="y", text=text), BARE_HOST, address)
    links = re.findall(r'href="([^"]*)"', page)
    assert links == ["/runbooks/KvCachePressure#meaning", "#impact", "https://example.org/x"]
    assert "dead" in page


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "](javascript:x)", "`**`", '"><img src=x>', "a|b"])
def test_a_hostile_value_is_shown_and_nothing_more(hostile: str) -> None:
    values = {**IN_KUBERNETES, "model": hostile, "pod": hostile, "namespace": hostile, "server": hostile}
    page = to_html(BOOK, values, address)
    tags = set(re.findall(r"<(/?\w+)", page))
    assert tags == set(re.findall(r"<(/?\w+)", to_html(BOOK, IN_KUBERNETES, address))) | ({"p"} & tags)
    assert "<script" not in page
    assert "<img" not in page


def test_html_in_a_runbook_is_text() -> None:
    page = to_html(
        Runbook(fault="X", family="y", text="<b onclick=x>hi</b>\n\n<div>\n\n![p](http://x/y.png)"), None, address
    )
    assert "<b" not in page
    assert "<div" not in page
    assert "<img" not in page
