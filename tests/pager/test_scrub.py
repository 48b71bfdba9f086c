from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.pager.scrub import REDACTED, scrub, scrub_labels

SECRETS = [
    "xoxb-2345678901-abcdefghijkl",
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "nvapi-abcdefghijklmnopqrstuvwxyz",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
    "jane.doe@example.com",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "key {} used", "a={};b", '"{}"', "http://x/?q={}&r=1"])
def test_a_secret_is_taken_out_wherever_it_stands(secret: str, around: str) -> None:
    assert secret not in scrub(around.format(secret))
    assert REDACTED in scrub(around.format(secret))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter2 and more", "hunter2"),
        ("PASSWORD: hunter2", "hunter2"),
        ("DB_PASSWORD='hunter2'", "hunter2"),
        ("api_key=abc", "abc"),
        ("Authorization: Bearer abcdef", "abcdef"),
        ("bearer abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
        ("?access_token=0123456789abcdef&x=1", "0123456789abcdef"),
        ("postgres://user:secret@db/x", "user:secret"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcut", "MIIcut"),
    ],
)
def test_what_is_assigned_to_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "Time to first token: 3.2 s",
        "inter-token latency 0.1 s, tokens: 4096",
        "server:atlas_time_to_first_token:burnrate5m_of_the_month",
        "max_tokens=4096",
        "GPU-8f3c2f0e-1b7a-4a5e-9c0d-1234567890ab",
        "registry.example.com/vllm@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "meta-llama/Llama-3.1-8B-Instruct",
        "http://10.0.0.1:9090/graph?g0.expr=rate%28x%5B5m%5D%29+%3E+1&g0.tab=1",
        "basic authentication failed",
        "12 of 13 requests failed: 503",
    ],
)
def test_what_alerts_ordinarily_say_stays(text: str) -> None:
    assert scrub(text) == text


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
ORDINARY = st.one_of(
    st.lists(WORD, min_size=1, max_size=6).map("-".join),  # pods, namespaces, nodes
    st.tuples(WORD, WORD).map("/".join),  # models
    st.tuples(WORD, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),  # servers
    st.uuids().map(lambda uuid: f"GPU-{uuid}"),
    st.floats(allow_nan=False).map(str),
    st.integers().map(str),
)


@given(ORDINARY)
def test_ordinary_label_values_stay_as_they_are(value: str) -> None:
    assert scrub_labels({"pod": value}) == {"pod": value}


@given(st.text(max_size=200))
def test_scrubbing_twice_changes_nothing_more_and_leaves_no_control_character(text: str) -> None:
    once = scrub(text)
    assert scrub(once) == once
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in once)
    once.encode()


def test_the_label_called_password_is_taken_out_whole() -> None:
    assert scrub_labels({"db_password": "x", "model": "m"}) == {"db_password": REDACTED, "model": "m"}


@pytest.mark.parametrize(
    "text", ["a_" * 4096, "eyJ-" * 2048, "password " * 900, "a@" * 4000, "://a:b" * 1000, "token=" * 40_000]
)
def test_no_text_takes_long(text: str) -> None:
    scrub.__wrapped__(text)
