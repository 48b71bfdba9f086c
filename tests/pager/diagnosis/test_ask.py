from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.diagnosis import ask as asking
from atlas_ops.pager.diagnosis.ask import diagnose
from atlas_ops.pager.diagnosis.checks import Check, When
from atlas_ops.pager.diagnosis.verdict import Standing, from_json
from atlas_ops.prometheus import Point


def check(cause: str, **values: object) -> Check:
    given = {
        "cause": cause,
        "query": cause,
        "when": When(">", 1.0),
        "unit": "number",
        "evidence": "It has {{value}} on {{node}}",
        "against": "",
        "next_step": "Cool it",
        "weight": 2,
        "empty_says_no": False,
        "runtimes": (),
    }
    return Check(**{**given, **values})  # type: ignore[arg-type]


def point(value: float, **labels: str) -> Point:
    return Point(labels=labels, value=value)


def ask(found: Sequence[Point], **values: object) -> tuple[Standing, str]:
    diagnosis = diagnose([check("It is hot", **values)], {"node": "alert-node"}, lambda _: found)
    (finding,) = diagnosis.findings
    return finding.standing, finding.told


def test_a_sample_above_the_limit_is_evidence_and_tells_its_own_labels_by_peoples_words() -> None:
    assert ask([point(2.5, host_name="gpu-7"), point(0.5)]) == (Standing.LIKELY, "It has 2.5 on gpu-7")


def test_labels_that_the_sample_lacks_are_the_alerts() -> None:
    assert ask([point(3)]) == (Standing.LIKELY, "It has 3 on alert-node")


def test_a_sample_below_the_limit_speaks_against_the_cause() -> None:
    assert ask([point(0.25)], against="Only {{value}}") == (Standing.UNLIKELY, "Only 0.25")
    assert ask([point(0.25)])[1] == "No sign of it: 0.25, the limit is > 1"


def test_no_data_is_unknown_unless_the_check_says_that_it_rules_the_cause_out() -> None:
    assert ask([]) == (Standing.UNKNOWN, "There is no data")
    assert ask([point(math.nan)])[0] is Standing.UNKNOWN
    assert ask([], empty_says_no=True)[0] is Standing.UNLIKELY


def test_a_question_that_fails_is_unknown_and_the_others_are_still_answered() -> None:
    def query(text: str) -> Sequence[Point]:
        if text == "broken":
            raise EnvironmentProblem("refused: password=hunter2hunter2", next_step="")
        if text == "odd":
            raise KeyError("metric")
        return [point(9)]

    found = diagnose([check("broken"), check("odd"), check("fine")], {}, query)
    standings = {one.cause: (one.standing, one.told) for one in found.findings}
    assert standings["fine"][0] is Standing.LIKELY
    assert standings["broken"] == (Standing.UNKNOWN, "Prometheus could not be asked: refused: password=[redacted]")
    assert standings["odd"][0] is Standing.UNKNOWN


def test_an_answer_that_does_not_come_holds_up_nothing() -> None:
    never = threading.Event()

    def query(text: str) -> Sequence[Point]:
        if text == "hangs":
            never.wait(30)
        return [point(9)]

    found = diagnose([check("hangs"), check("fine")], {}, query, seconds=0.5)
    never.set()
    assert [(one.cause, one.standing) for one in found.findings] == [
        ("fine", Standing.LIKELY),
        ("hangs", Standing.UNKNOWN),
    ]


def test_likely_causes_come_first_by_weight_and_ruled_out_ones_last() -> None:
    given = [
        check("no", when=When(">", 99.0)),
        check("nothing"),
        check("hint", weight=1),
        check("proof", weight=3),
    ]
    found = diagnose(given, {}, lambda text: [] if text == "nothing" else [point(9)])
    assert [one.cause for one in found.findings] == ["proof", "hint", "nothing", "no"]
    assert [one.cause for one in found.likely] == ["proof", "hint"]


def test_a_check_of_another_runtime_is_not_asked() -> None:
    given = [check("of vllm", runtimes=("vllm",)), check("of all")]
    assert [one.cause for one in diagnose(given, {"runtime": "triton"}, lambda _: []).findings] == ["of all"]
    assert len(diagnose(given, {"runtime": "vllm"}, lambda _: []).findings) == 2


def test_what_prometheus_tells_is_scrubbed_and_bounded() -> None:
    secret = "xoxb-1234567890-abcdefghij"
    told = ask([point(5, host_name=secret)])[1]
    assert secret not in told
    assert len(ask([point(5, host_name="x" * 100_000)])[1]) < 1000


def test_a_diagnosis_survives_its_way_through_the_database() -> None:
    found = diagnose([check("a"), check("b", when=When("<", -1.0))], {}, lambda _: [point(5)])
    assert from_json(found.to_json()) == found
    assert from_json(None) is None


def test_a_question_that_finds_too_many_open_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(asking, "_MOST_OPEN", places)
    found = diagnose([check(str(number)) for number in range(20)], {}, lambda _: [point(9)], seconds=20)
    assert {one.standing for one in found.findings} == {Standing.LIKELY}
    assert places.acquire(timeout=20), "its place is given back"


def test_questions_that_never_end_leave_no_more_threads_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    never, places = threading.Event(), threading.BoundedSemaphore(2)
    monkeypatch.setattr(asking, "_MOST_OPEN", places)
    given = [check(str(number)) for number in range(5)]
    found = diagnose(given, {}, lambda _: [point(9)] if never.wait(30) else [], seconds=0.2)
    never.set()
    assert all(places.acquire(timeout=20) for _ in range(2)), "their places are given back"
    told = [one.told for one in found.findings]
    assert told.count("Prometheus did not answer in time") == 2
    assert told.count("Too many questions to Prometheus are still open") == 3
