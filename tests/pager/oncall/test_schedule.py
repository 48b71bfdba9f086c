"""Who is on call: always exactly one person, and hand-overs at the hour that the clock on the wall shows."""

from __future__ import annotations

import itertools
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.errors import ConfigError
from atlas_ops.pager.oncall import schedule
from atlas_ops.pager.oncall.schedule import Override, Rotation, Schedule

BERLIN = ZoneInfo("Europe/Berlin")
# Half an hour of summer time; a day that was skipped; midnight that does not exist; the south.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "UTC")
WEEKLY = """\
time_zone: Europe/Berlin
rotations:
  - {people: [ann, bob, cyd], starts: 2026-03-16, handover: 10:00}
"""


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    found = schedule.moment(text, zone)
    assert found is not None
    return found


def local(moment: float, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromtimestamp(moment, zone)


def test_a_week_with_a_change_of_clocks_ends_at_the_same_hour() -> None:
    plan = schedule.parse(WEEKLY)
    weeks = list(itertools.islice(plan.turns(at("2026-03-16 10:00")), 4))
    assert [turn.who for turn in weeks] == ["ann", "bob", "cyd", "ann"]
    assert [str(local(turn.until)) for turn in weeks] == [
        "2026-03-23 10:00:00+01:00",
        "2026-03-30 10:00:00+02:00",
        "2026-04-06 10:00:00+02:00",
        "2026-04-13 10:00:00+02:00",
    ]
    assert plan.at(at("2026-03-30 09:59:59")).who == "bob"
    assert plan.at(at("2026-03-30 10:00")).who == "cyd"
    assert plan.at(at("2026-03-16 09:59:59")).who == "cyd", "before the first hand-over the turns count backwards"


@pytest.mark.parametrize(
    ("day", "handover"),
    [("2026-03-29", "2026-03-29 01:30:00+00:00"), ("2026-10-25", "2026-10-25 00:30:00+00:00")],
)
def test_an_hour_that_is_skipped_or_comes_twice_has_one_handover(day: str, handover: str) -> None:
    text = (
        "{time_zone: Europe/Berlin, rotations: [{people: [a, b], starts: 2026-03-01, handover: '02:30', every: day}]}"
    )
    plan = schedule.parse(text)
    noon_before, noon = at(f"{day} 12:00") - 86_400, at(f"{day} 12:00")
    turns = list(itertools.takewhile(lambda turn: turn.until < noon, plan.turns(noon_before)))
    assert [str(local(turn.until, ZoneInfo("UTC"))) for turn in turns] == [handover]


def test_a_day_that_a_zone_skipped_is_nobodys_turn() -> None:
    """On Samoa the 29th of December 2011 was followed by the 31st."""
    daily = "{people: [ann, bob], starts: 2011-12-29, handover: '00:01', every: day}"
    plan = schedule.parse(f"{{time_zone: Pacific/Apia, rotations: [{daily}]}}")
    last_second = datetime(2011, 12, 31, 0, 0, 59, tzinfo=plan.zone).timestamp()
    assert [plan.at(last_second + after).who for after in (-3600, 0, 1)] == ["ann", "ann", "ann"]
    assert plan.at(last_second + 86_401).who == "bob"


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    starts = st.dates(date(2011, 1, 1), date(2027, 12, 31))
    rotation = st.builds(
        Rotation,
        people=st.lists(st.sampled_from("abcde"), min_size=1, max_size=5).map(tuple),
        starts=starts,
        handover=st.times().map(lambda found: found.replace(second=0, microsecond=0, fold=0)),
        days=st.sampled_from([1, 7]),
    )
    rotations = draw(st.lists(rotation, min_size=1, max_size=3, unique_by=lambda one: one.starts))
    ends = sorted(draw(st.lists(st.integers(1_300_000_000, 1_900_000_000), max_size=6, unique=True)))
    overrides = [
        Override(start=start, end=end, who="override") for start, end in zip(ends[::2], ends[1::2], strict=False)
    ]
    return Schedule(
        zone=zone,
        rotations=tuple(sorted(rotations, key=lambda one: one.starts)),
        overrides=tuple(overrides),
    )


MOMENTS = st.one_of(
    st.integers(1_300_000_000, 1_900_000_000),
    # Around changes of clocks: Berlin 2026 both ways, New York, Lord Howe, the day that Apia skipped, Cairo.
    st.sampled_from([1_774_746_000, 1_792_890_000, 1_772_953_200, 1_775_314_800, 1_325_239_200, 1_777_586_400]).flatmap(
        lambda change: st.integers(change - 100_000, change + 100_000)
    ),
)


@given(schedules(), MOMENTS)
def test_there_is_always_one_person_whose_turn_ends_when_the_next_begins(plan: Schedule, moment: int) -> None:
    turn = plan.at(moment)
    assert turn.until > moment
    for inside in (moment, (moment + turn.until) / 2, turn.until - 0.001):
        assert plan.at(inside) == turn
    assert plan.at(turn.until).until > turn.until
    standing_in = any(one.start <= moment < one.end for one in plan.overrides)
    assert turn.override == standing_in == (turn.who == "override")


@given(schedules(), MOMENTS)
def test_handovers_are_at_the_local_hour_on_the_right_day_and_to_the_next_in_the_list(
    plan: Schedule, moment: int
) -> None:
    plan = Schedule(zone=plan.zone, rotations=plan.rotations[:1], overrides=())
    (rotation,) = plan.rotations
    turn = plan.at(moment)
    wall = local(turn.until, plan.zone)
    wanted = datetime.combine(wall.date(), rotation.handover, plan.zone)
    skipped = wanted.astimezone(ZoneInfo("UTC")).astimezone(plan.zone).time() != rotation.handover
    if not skipped and wall.time() == rotation.handover:
        assert (wall.date() - rotation.starts).days % rotation.days == 0
    else:  # the wall never showed that hour on the day: it is the same hour as if the clocks had gone on
        before = local(turn.until - 86_400, plan.zone)
        assert before.utcoffset() != wall.utcoffset()
    people = rotation.people * 2
    pairs = set(itertools.pairwise(people))
    if plan.zone.key != "Pacific/Apia":  # whose skipped day was a turn of no length
        assert (turn.who, plan.at(turn.until).who) in pairs


def test_an_override_stands_in_and_hands_back() -> None:
    text = WEEKLY + "overrides: [{from: 2026-03-28, to: 2026-03-31T06:00:00Z, who: dee}]\n"
    turns = list(itertools.islice(schedule.parse(text).turns(at("2026-03-27 12:00")), 3))
    assert [(turn.who, turn.override) for turn in turns] == [("bob", False), ("dee", True), ("cyd", False)]
    assert [turn.until for turn in turns[:2]] == [at("2026-03-28 00:00"), at("2026-03-31 08:00")]


def test_a_later_rotation_takes_over_from_its_first_handover() -> None:
    text = WEEKLY + "  - {people: [dee], starts: 2026-03-18, handover: '18:00', every: day}\n"
    plan = schedule.parse(text)
    turn = plan.at(at("2026-03-18 17:00"))
    assert (turn.who, str(local(turn.until).time())) == ("ann", "18:00:00")
    assert plan.at(turn.until).who == "dee"
    assert plan.people == ("ann", "bob", "cyd", "dee")


def test_all_mistakes_of_a_file_are_told_together() -> None:
    text = """\
time_zone: berlin
rotations:
  - {people: [], starts: 2026-13-01, handover: nine}
  - {people: [ann], starts: 2026-03-16, handover: "09:00+01:00", every: month}
  - {people: [ann], starts: 2026-03-16}
overrides:
  - {from: 2026-12-24 09:00, to: 2026-12-27 09:00, who: bob}
  - {from: 2026-12-26 09:00, to: 2026-12-28 09:00, who: cyd}
  - {from: 2027-01-02, to: 2027-01-01, who: cyd}
  - {from: soon, who: dee, until: later}
"""
    with pytest.raises(ConfigError) as raised:
        schedule.parse(text, "primary.yaml")
    told = [mistake.split(": ", 1)[1] for mistake in raised.value.mistakes]
    for words in (
        "time_zone: expected a time zone such as Europe/Berlin, found 'berlin'; did you mean 'Europe/Berlin'?",
        "rotations[0].people: expected a list of the names",
        "rotations[0].starts: expected a date such as 2026-11-23, found '2026-13-01'",
        "rotations[0].handover: expected a local time such as 09:00, found 'nine'",
        "rotations[1].handover: expected a local time such as 09:00, found '09:00+01:00'",
        "rotations[1].every: expected one of day, week",
        "rotations[2].handover: is missing",
        "rotations: two of them start on 2026-03-16",
        "overrides: both bob and cyd stand in at 2026-12-26 0",
        "overrides[2].to: expected a time after `from`",
        "overrides[3].from: expected a time such as 2026-12-24 09:00, found 'soon'",
        "overrides[3].to: is missing",
        "overrides[3].until: unknown key",
    ):
        assert any(line.startswith(words) for line in told), (words, told)
    with pytest.raises(ConfigError, match="at least one, so that somebody is always on call"):
        schedule.parse("time_zone: UTC")


def test_a_time_of_the_day_needs_no_quotes() -> None:
    plan = schedule.parse(WEEKLY.replace("10:00", "21:30"))
    assert plan.rotations[0].handover == time(21, 30)
    assert plan.rotations[0].turn(1, BERLIN) - plan.rotations[0].turn(0, BERLIN) == timedelta(7).total_seconds()
