"""The rule files of native mode: Prometheus loads them, they read one job alone, and say what they lack."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.catalog.model import Quality
from atlas_ops.catalog.reading import NO_EVENT, Decoding, ModelOf, Reading
from atlas_ops.exporter.models import _hidden as hidden
from atlas_ops.render import native
from atlas_ops.render.native import naming, outcomes
from atlas_ops.settings import Native, Settings
from atlas_ops.stage.processes import program

ODD_JOB = 'my "jobs" \\ of {$1} é vllm'


def files(*natives: Native) -> dict[str, str]:
    return native.render(build_catalog(), Settings(native=natives))


def text(runtime: str, *, job: str = "", version: str = "", model: str = "") -> str:
    (content,) = files(Native(runtime=runtime, job=job or runtime, version=version, model=model)).values()
    return content


def rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_prometheus_loads_the_rules_of_every_runtime_whatever_the_job_is_called(tmp_path: Path) -> None:
    for path, content in files(*(Native(runtime=one, job=f"{ODD_JOB} {one}") for one in runtime_ids())).items():
        (tmp_path / Path(path).name).write_text(content)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{runtime}.yaml" for runtime in sorted(runtime_ids())]
    command = [program("promtool", "prometheus"), "check", "rules", *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("runtime", runtime_ids())
def test_every_series_that_is_read_is_of_the_job_or_has_just_been_recorded(runtime: str) -> None:
    for rule in rules(text(runtime, job="chat")):
        promql_parser.parse(rule["expr"])
        selectors = re.findall(r'\{(?:[^"}]|"(?:\\.|[^"\\])*")*\}', rule["expr"])
        assert selectors
        assert not [one for one in selectors if 'job="chat"' not in one and 'job=""' not in one]


@pytest.mark.parametrize("runtime", runtime_ids())
def test_what_is_recorded_is_the_contract_and_the_few_series_that_the_rules_read_back(runtime: str) -> None:
    known = {series for signal in build_catalog().signals for series in signal.series}
    for rule in rules(text(runtime)):
        assert rule["record"] in known or re.fullmatch(r"server:atlas_native_\w+:\w+", rule["record"])
        assert rule["labels"][c.RUNTIME] == runtime


def test_without_native_in_the_settings_there_is_no_file() -> None:
    assert files() == {}


def test_two_jobs_of_one_runtime_are_two_groups_of_one_file() -> None:
    (content,) = files(Native(runtime="vllm", job="a"), Native(runtime="vllm", job="b")).values()
    groups = yaml.safe_load(content)["groups"]
    assert [group["name"] for group in groups] == ["atlas-native-a", "atlas-native-b"]
    assert 'job="b"' not in str(groups[0])


def test_names_of_other_versions_are_left_out_when_the_version_is_told() -> None:
    names = ("vllm:kv_cache_usage_perc{", "vllm:gpu_cache_usage_perc{")
    assert [name in text("vllm") for name in names] == [True, True]
    assert [name in text("vllm", version="0.32.0") for name in names] == [True, False]
    assert [name in text("vllm", version="0.8.5") for name in names] == [False, True]


def test_a_page_that_names_no_model_is_of_the_one_that_the_settings_name() -> None:
    assert '"atlas_model", "llama 3 $$"' in text("llamacpp", model="llama 3 $")
    assert '"atlas_model", "unnamed"' in text("llamacpp")


def test_what_promql_cannot_tell_stands_on_top_of_the_file_with_the_reason() -> None:
    head = text("vllm").partition("groups:")[0]
    assert "# atlas_kv_cache_capacity_tokens: vllm:cache_config_info tells it in labels" in head
    assert "# atlas_lora_adapters: vllm:lora_requests_info tells it as lists in labels" in head
    assert "# atlas_server_ready: the exporter asks /health" in head
    assert "# atlas_model_load_seconds: the exporter measures it from the start" in head
    assert "# atlas_kv_cache_capacity_tokens: in part: vllm:cache_config_info" in text("dynamo")
    assert "atlas_requests_capacity" not in head, "vLLM does not tell it to the exporter either"


def test_the_rules_are_evaluated_as_often_as_those_of_the_alerts() -> None:
    told = settings.parse("native: [{runtime: tgi}]\ntiming: {evaluation_seconds: 30}")
    (content,) = native.render(build_catalog(), told).values()
    assert yaml.safe_load(content)["groups"][0]["interval"] == "30s"


LETTERS = "ab*?"
OUTCOMES = st.lists(
    st.tuples(st.text(LETTERS, min_size=1, max_size=3), st.sampled_from((*c.OUTCOMES, NO_EVENT))),
    min_size=1,
    max_size=5,
)


@given(pairs=OUTCOMES, otherwise=st.sampled_from(("", "error", NO_EVENT)), value=st.text("ab", max_size=4))
def test_of_several_patterns_the_first_that_fits_tells_the_outcome(
    pairs: list[tuple[str, str]], otherwise: str, value: str
) -> None:
    reading = Reading(
        metric="m",
        decoding=Decoding.OUTCOME,
        quality=Quality.DIRECT,
        label="code",
        outcomes=tuple(pairs),
        otherwise=otherwise,
    )
    first = next((word for pattern, word in pairs if fnmatch.fnmatchcase(value, pattern)), otherwise)
    for outcome in c.OUTCOMES:
        selected = [some for some in outcomes.matchers(reading, outcome) if all(_accepts(one, value) for one in some)]
        assert len(selected) == (first == outcome), "once, or not at all"


def _accepts(matcher: str, value: str) -> bool:
    _, operator, regex = re.split(r"(=~|!~)", matcher, maxsplit=1)
    return bool(re.fullmatch(json.loads(regex), value)) == (operator == "=~")


@given(path=st.text("ab/", max_size=8), part=st.one_of(st.none(), st.integers(-3, 3)))
def test_a_part_of_a_path_is_the_one_that_the_exporter_takes(path: str, part: int | None) -> None:
    found = re.fullmatch(naming.part_of_path(part), path)
    assert (found[1] if found else "") == hidden((("path", path),), ModelOf(label="path", part=part))
