"""The section `pager` of the settings: defaults that work, and every mistake at once, without a secret in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import settings
from atlas_ops.errors import ConfigError
from atlas_ops.settings import Pager, durations
from atlas_ops.settings.people import Smtp, Step, Target


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        settings.parse(text)
    return [mistake.partition(": ")[2] for mistake in raised.value.mistakes]


def test_without_the_section_nobody_is_told_but_by_the_console() -> None:
    assert settings.parse("").pager == Pager()
    assert settings.parse("pager: {channel: '#ml-oncall'}").pager == Pager(channel="ml-oncall")


def test_the_page_of_settings_shows_every_key() -> None:
    page = (Path(__file__).parent.parent / "docs/settings.md").read_text()
    shown = re.search(r"^pager:.*?(?=^\S)", page, re.DOTALL | re.MULTILINE)
    assert shown is not None
    pager = settings.parse(shown[0]).pager
    assert pager.escalation == (
        Step(after_seconds=900, to="primary"),
        Step(after_seconds=900, to="platform", repeat=3),
    )
    assert pager.target("ann") == Target(name="ann", slack_user="U024BE7LH", emails=("ann@example.org",))
    assert pager.smtp == Smtp(
        host="mail.example.org",
        sender="pager@example.org",
        username="pager",
        password_file="/run/secrets/smtp",
    )
    defaults = Pager()
    left = [name for name in Pager.__dataclass_fields__ if getattr(pager, name) == getattr(defaults, name)]
    shown_as_they_are = {
        "storm_messages_per_minute",
        "diagnosis",
        "heartbeat_expected",
        "heartbeat_reach",
        "heartbeat_late_seconds",
        "fallback_after_seconds",
        "retention_seconds",
    }
    assert set(left) == shown_as_they_are


def test_all_mistakes_are_told_together_and_no_secret_with_them() -> None:
    found = mistakes(
        """\
pager:
  chanel: ml-oncall
  tickets_channel: tickets
  retention: 24h
  heartbeat: {late_after: soon}
  targets:
    ann: {slack_user: ann}
    nobody: {}
    fallback: {slack_channel: "#tickets"}
    primary: {email: "ann@example.org\\nBcc: eve@example.org"}
    hook: {webhook_url_file: "https://hooks.example.org/s3cret"}
  schedules: {primary: a.yaml}
  escalation:
    - {to: nan, repeat: 2}
    - {after: 0s, to: ann}
  fallback: {slack_channel: other}
  smtp: {from: me, username: x}
  console: {token_file: "line\\nline"}
"""
    )
    told = "\n".join(found)
    for words in (
        "pager.chanel: unknown key; did you mean 'channel'?",
        "pager.tickets_channel: expected channel beside it",
        "pager.retention: expected a length of time above 1d, found 24h",
        "pager.heartbeat.late_after: expected a length of time such as 90s, 15m or 1h30m, found 'soon'",
        "pager.targets.ann.slack_user: expected the id of a member",
        "pager.targets.nobody: expected at least one of",
        "pager.targets.primary.email: expected addresses",
        "pager.targets.hook.webhook_url_file: expected the path of a file that holds it, found the secret itself",
        "pager.schedules: 'primary' is the name of a target, too",
        "pager.escalation[0].after: is missing",
        "pager.escalation[0].to: expected one of ann, nobody, fallback, primary, hook, found 'nan'",
        "pager.escalation[0].repeat: only the last step can be repeated",
        "pager.escalation[1].after: expected a length of time above 0s and below 7d, found 0s",
        "pager.fallback: is for when Slack is down",
        "pager.targets: 'fallback' is the name of the section beside it",
        "pager.targets: fallback: all pages or tickets go to its slack_channel already",
        "pager.smtp.from: expected one address such as pager@example.org, found 'me'",
        "pager.smtp.username: expected both username and password_file, or neither",
        "pager.smtp: host is missing, so no mail can be sent to primary",
        "pager.console.token_file: expected the path of a file",
    ):
        assert any(line.startswith(words) for line in found), (words, told)
    assert "s3cret" not in told


def test_an_escalation_to_nobody_is_a_mistake() -> None:
    (found,) = mistakes("pager: {escalation: [{after: 15m, to: ann}]}")
    assert "'ann' is none of `targets` or `schedules`" in found


@given(st.integers(1, 10_000_000))
def test_a_length_of_time_reads_as_it_is_written(seconds: int) -> None:
    assert durations.seconds(durations.written(seconds)) == seconds
    assert durations.seconds(str(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "m", "15 m", "1m1h", "nan", "inf", "15min", "\uff11m", "-5m"])
def test_what_is_no_length_of_time_is_none(text: str) -> None:
    assert durations.seconds(text) is None


def test_who_may_use_the_console_is_checked_together() -> None:
    found = mistakes(
        """\
pager:
  webhook_token_file: https://pager
  console:
    token_file: "abc\\ndef"
    user_header: Cookie
    public: yes
    trusted_proxies: [10.0.0.1/8, here]
"""
    )
    assert [mistake.partition(":")[0] for mistake in found] == [
        "pager.webhook_token_file", "pager.console.token_file", "pager.console.user_header", "pager.console.public",
        "pager.console.trusted_proxies", "pager.console.trusted_proxies",
    ]  # fmt: skip
    assert "def" not in "".join(found)
    assert mistakes("pager: {console: {trusted_proxies: [10.0.0.0/8]}}")[0].startswith("pager.console.trusted_proxies")
    assert mistakes("pager: {console: {public: full, token_file: t}}")[0].startswith("pager.console.public")
