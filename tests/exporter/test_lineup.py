"""Collectors over a reload: the same ones where nothing has changed, and all or nothing."""

from __future__ import annotations

import threading

import pytest

from atlas_ops.exporter.lineup import Lineup, Made, Plan
from tests.exporter.collectors import SECONDS, Steady, plan, plans


def never() -> bool:
    return False


def started(*collectors: Steady) -> Lineup:
    lineup = Lineup()
    lineup.adopt(lineup.prepare(plans(*collectors), SECONDS, never))
    return lineup


def test_what_has_not_changed_stays_the_same_object_and_what_is_gone_is_stopped() -> None:
    kept, gone, new = Steady("kept"), Steady("gone"), Steady("new")
    lineup = started(kept, gone)
    made = lineup.prepare([plan(new), Plan(key="kept", make=lambda _: Steady("another"))], SECONDS, never)
    assert gone.running, "it is on the page until the new ones are"
    assert lineup.collectors == (kept, gone)
    lineup.adopt(made)
    assert lineup.collectors == (new, kept)
    assert (kept.running, gone.running, new.running) == (True, False, True)


def test_a_collector_finds_those_it_needs_by_their_keys() -> None:
    base = Steady("base")
    found: list[object] = []

    def make(made: Made) -> Steady:
        found.append(made["base"])
        return Steady("upper")

    lineup = started(base)
    lineup.prepare([plan(base), Plan(key="upper", make=make)], SECONDS, never)
    assert found == [base]


def test_a_new_collector_gets_time_for_its_first_round_and_not_more() -> None:
    slow = Steady("slow", ready=False)
    timer = threading.Timer(0.05, lambda: setattr(slow, "ready", True))
    timer.start()
    Lineup().prepare(plans(slow), SECONDS, never)
    assert slow.ready
    timer.join()
    Lineup().prepare(plans(Steady(ready=False)), 0.0, never)
    Lineup().prepare(plans(Steady(ready=False)), SECONDS, lambda: True)


class Unstartable(Steady):
    """A collector that cannot be started."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_when_one_cannot_be_started_nothing_has_changed() -> None:
    kept, new = Steady("kept"), Steady("new")
    lineup = started(kept)
    with pytest.raises(RuntimeError, match="start new thread"):
        lineup.prepare(plans(new, Unstartable("bad")), SECONDS, never)
    assert lineup.collectors == (kept,)
    assert (kept.running, new.running) == (True, False)


def test_one_that_cannot_be_stopped_keeps_no_other_running() -> None:
    class Unstoppable(Steady):
        def stop(self) -> None:
            raise OSError

    other = Steady("other")
    started(other, Unstoppable("bad")).stop()
    assert not other.running


def test_a_collector_that_stays_is_told_what_may_change_meanwhile() -> None:
    told: list[tuple[object, str]] = []
    kept = Steady("kept")
    lineup = Lineup()
    for news in ("first", "second"):
        plan = Plan(key="kept", make=lambda _: kept, renew=lambda collector, news=news: told.append((collector, news)))  # type: ignore[misc]
        lineup.adopt(lineup.prepare([plan], SECONDS, never))
    assert told == [(kept, "first"), (kept, "second")]
    assert lineup.collectors == (kept,)
