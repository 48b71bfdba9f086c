"""Secrets and what users write reach neither Slack nor a page, a log, a metric or the database, wherever they come from."""

from __future__ import annotations

import io
import itertools
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_ops.pager.deeds.deed import Act, Deed
from atlas_ops.pager.diagnosis import judge
from atlas_ops.pager.diagnosis.checks import Check, When
from atlas_ops.pager.diagnosis.verdict import ranked
from atlas_ops.pager.incident import Work
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import message, wire
from atlas_ops.pager.webhook import MAX_TEXT
from atlas_ops.prometheus import Point
from tests.pager.console_rig import Scene, scene
from tests.pager.notes import RUNBOOK, alert, notification

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=36, max_size=40).map(
    lambda word: f"q7{word}"  # a digit in it, as in every real one, and no word of ours
)
SECRETS = WORD.flatmap(
    lambda word: st.tuples(
        st.sampled_from(
            [
                f"xoxb-{word}",
                f"sk-{word}",
                f"hf_{word}",
                f"nvapi-{word}",
                f"ghp_{word}",
                f"eyJ{word}.{word}.{word}",
                f"{word}@example.com",
                f"password={word}",
                f"Authorization: Bearer {word}",
                f"api_key: '{word}'",
                f"postgres://user:{word}@db/x",
                f"https://x/?access_token={word}&y=1",
                f"-----BEGIN PRIVATE KEY-----\n{word}\n-----END PRIVATE KEY-----",
            ]
        ),
        st.just(word[:12]),
    )
)
"""A text that holds a secret, and the part of it that must not be seen anywhere."""
PLACES = (
    "pod",
    "model",
    "xid",
    "prompt",
    "summary",
    "description",
    "impact",
    "value",
    "completion",
    "url",
    "sample",
    "who",
)
CHECK = Check(
    cause="A cause",
    query='up{pod="{{pod}}"}',
    when=When(">", 0.0),
    unit="number",
    evidence="{{value}} on {{pod}} of {{model}}",
    against="",
    next_step="",
    weight=1,
    runtimes=(),
    empty_says_no=False,
)
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def pager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("privacy")) as made:
        yield made


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def page(place: str, text: str) -> dict[str, object]:
    labels = {place: text} if place in ("pod", "model", "xid", "prompt") else {}
    annotations = {"summary": "It is bad.", "impact": "Users wait."}
    annotations |= {place: text} if place in ("summary", "description", "impact", "value", "completion") else {}
    made = alert(annotations=annotations, labels=labels)
    return {**made, "generatorURL": f"http://prometheus/graph?x={text}"} if place == "url" else made


def said(work: Work) -> Iterator[str]:
    """Return what Slack is sent of an incident."""
    composed = message.parent(
        work.incident,
        Runbook(fault="QueueBacklog", family="capacity", text=RUNBOOK),
        message.Reach(pager_url="http://pager.test", alertmanager_url="http://am", buttons=True, escalates=True),
        time.time(),
    )
    for one in (composed, message.plainly(composed), message.reply(work.incident, work.events)):
        yield json.dumps([wire.fallback(one), wire.blocks(one), wire.metadata(one)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SECRETS, st.sampled_from(PLACES), st.sampled_from(["{}", "see {} there", "a={};b", '"{}"', "x\n{}\ny"]))
def test_a_secret_is_seen_nowhere(
    pager: Scene, log: io.StringIO, secret: tuple[str, str], place: str, around: str
) -> None:
    written, core = secret
    text = around.format(written)
    incident = pager.hear(page(place, text), group=f"group {next(NUMBERS)}")
    sample = Point(labels={"k8s_pod_name": text if place == "sample" else "p", "model": "m"}, value=3.0)
    found = judge.judged(CHECK, CHECK.query, [sample], {})
    pager.store.diagnoses.record(incident, ranked([found], time.time()), time.time())
    who = text if place == "who" else "jane"
    acted = Deed(key=f"k{next(NUMBERS)}", act=Act.ACKNOWLEDGE, incident=incident, who=who, at=time.time())
    pager.performer.perform(acted)
    pager.performer.perform(replace(acted, key=f"k{next(NUMBERS)}", act=Act.SILENCE, seconds=60.0))  # nobody answers
    work = pager.store.incidents.work(incident)
    assert work
    shown = [*said(work), repr(work), log.getvalue()]
    shown += [pager.page(address) for address in ("/", f"/incidents/{incident}", "/metrics")]
    assert not [part for part in shown if core in part]


@given(WORD, st.integers(1, 60))
def test_a_secret_that_is_cut_by_a_limit_is_not_half_shown(word: str, before: int) -> None:
    secret = f"sk-{word}"
    text = "x " * ((MAX_TEXT - before) // 2) + secret
    [read] = notification(alert(annotations={"summary": text})).alerts
    assert "q7" not in read.summary


@pytest.mark.parametrize(
    "name", ["prompt", "user_prompt", "completion", "api-key", "user_input", "Authorization", "email"]
)
def test_what_is_named_like_what_users_write_or_a_secret_goes_entirely(name: str, pager: Scene) -> None:
    incident = pager.hear(alert(labels={name: "my mother is ill"}, annotations={"summary": "s", name: "so am I"}))
    text = pager.page(f"/incidents/{incident}")
    assert "my mother" not in text
    assert "so am I" not in text
