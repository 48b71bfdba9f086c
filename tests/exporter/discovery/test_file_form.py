"""Files in Prometheus's form, in JSON and YAML, and all their mistakes with their lines."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.discovery import file_form
from atlas_ops.settings import Server, url_problem

RUNTIMES = ("triton", "vllm")


def read(text: str, file: str = "servers.yaml") -> tuple[Server, ...]:
    return file_form.parse(text, file, RUNTIMES)


def test_targets_and_labels_become_servers() -> None:
    text = """
- targets: [10.0.0.5:8000, "[fd00::1]:8000", "https://llama.example.org/own/metrics"]
  labels:
    runtime: vllm
    version: 0.11
    model: llama
    namespace: chat
    pod: llama-0
    container: vllm
    track: canary
    release: v2
    bearer_token_file: /run/token
    api_url: http://10.0.0.5:9000/
    env: prod
    __meta_anything: x
- targets: [10.0.0.6]
  labels: {__scheme__: https, __metrics_path__: /m, management_url: "http://10.0.0.6:8081"}
- targets: []
"""
    described = Server(
        url="http://10.0.0.5:8000", runtime="vllm", version="0.11", model="llama", namespace="chat", pod="llama-0",
        container="vllm", bearer_token_file="/run/token", api_url="http://10.0.0.5:9000", track="canary", release="v2",
    )  # fmt: skip
    found = read(text)
    assert found[0] == described
    assert [server.url for server in found] == [
        "http://10.0.0.5:8000", "http://[fd00::1]:8000", "https://llama.example.org/own/metrics", "https://10.0.0.6/m",
    ]  # fmt: skip
    assert {(server.runtime, server.pod) for server in found[:3]} == {("vllm", "llama-0")}
    assert found[3].management_url == "http://10.0.0.6:8081"


def test_json_is_read_too_with_tabs_as_programs_write_it() -> None:
    text = json.dumps([{"targets": ["a:1"], "labels": {"model": "tab\tand \u00e9"}}], indent="\t")
    assert read(text, "servers.json") == (Server(url="http://a:1", model="tab\tand \u00e9"),)


def test_every_mistake_is_told_with_its_line() -> None:
    text = """
- targets: [ftp://a, "b:99999"]
  labels:
    runtime: vlm
    __param_x: y
    __metrics_path__: metrics
    __scheme__: gopher
    api_url: nowhere
- labels: {}
- targets: a:1
  label: {}
- 7
"""
    with pytest.raises(ConfigError) as caught:
        read(text)
    told = caught.value.mistakes
    assert [line.split(":")[0] for line in told] == [f"line {n}" for n in (2, 2, 4, 5, 6, 7, 8, 9, 11, 12, 12)]
    assert "line 4: [0].labels.runtime: expected one of triton, vllm, found 'vlm'" in told[2]
    assert "__param_x: is not obeyed here" in told[3]
    assert "[2].label: unknown key; did you mean 'labels'?" in told[8]


@pytest.mark.parametrize("text", ["", "targets: [a:1]", "word", "[", "- targets: [[a]]"])
def test_a_file_of_another_shape_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigError):
        read(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="holds a user name or password") as caught:
        read("- targets: ['http://me:hunter2@a:1']")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_file_or_too_large_is_a_mistake_and_told_as_what_it_is(tmp_path: Path) -> None:
    large, pipe, folder, odd = (tmp_path / name for name in ("large.yaml", "pipe.json", "folder.json", "odd.yaml"))
    large.write_text("#" * (file_form.MAX_BYTES + 1))
    odd.write_bytes(b"\xff\xff")
    os.mkfifo(pipe)
    folder.mkdir()
    for path, problem, next_step in (
        (large, f"it is larger than {file_form.MAX_BYTES} bytes", "split it into several files"),
        (pipe, "it is a pipe, a socket or a device", "write a file"),
        (folder, "it is a folder", f"name the files in it, such as {folder}/*.json"),
        (odd, "it is not UTF-8", "write it anew as UTF-8"),
        (tmp_path / "none.yaml", "No such file or directory", "check the path and its permissions"),
    ):
        with pytest.raises(ConfigError) as caught:
            file_form.read(path, RUNTIMES)
        assert caught.value.mistakes == (f"cannot be read: {problem}",)
        assert next_step in caught.value.next_step


@given(
    st.text(alphabet="-targets:[]{}labelsruntimevllm \n\"'&*\t0.:/", max_size=80) | st.text(max_size=40),
    st.sampled_from(("a.json", "a.yaml")),
)
def test_any_text_gives_servers_or_mistakes(text: str, file: str) -> None:
    with contextlib.suppress(ConfigError):
        assert all(url_problem(server.url) == "" for server in read(text, file))
