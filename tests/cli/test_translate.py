"""`atlas-ops translate`: what a page becomes, and why, for people who debug and for their bug reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas_ops import shipped

SAMPLES = Path(__file__).parent.parent / "samples"
FULL_CACHE = (SAMPLES / "vllm" / "0.32.0" / "kv-pressure-1.prom").read_text(encoding="utf-8")
FAILED = (SAMPLES / "bentoml" / "1.4.39" / "fail_after.prom").read_text(encoding="utf-8")


def translate(page: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atlas_ops", "translate", *args]
    return subprocess.run(command, input=page, capture_output=True, text=True, check=False, timeout=60)


def test_the_canonical_page_is_one_that_prometheus_can_read() -> None:
    done = translate(FULL_CACHE, "--runtime", "vllm")
    assert done.returncode == 0, done.stderr
    samples = {s.name: s for family in text_string_to_metric_families(done.stdout) for s in family.samples}
    assert samples["atlas_requests_running"].value == 9
    assert samples["atlas_requests_running"].labels == {"runtime": "vllm", "server": "stdin", "model": "tiny-llama"}


def test_the_runtime_is_recognised_and_a_file_can_be_named(tmp_path: Path) -> None:
    page = tmp_path / "page.prom"
    page.write_text(FAILED, encoding="utf-8")
    done = translate("", str(page))
    assert 'runtime="bentoml"' in done.stdout
    assert "left out, health_check" in done.stderr


def test_a_version_that_is_given_is_believed() -> None:
    assert 'version="0.31.0"' in translate(FULL_CACHE, "--version", "v0.31.0").stdout.replace("v0", "0")
    assert 'version=">=0.32.0"' in translate(FULL_CACHE).stdout


def test_the_explanation_says_what_became_of_each_line_and_what_would_bring_the_rest() -> None:
    told = translate(FULL_CACHE, "--explain").stdout
    assert (
        '  vllm:num_requests_running{engine="0",model_name="tiny-llama"} 9\n'
        '    -> atlas_requests_running{model="tiny-llama"}\n'
    ) in told
    assert "atlas_spec_decode_draft_tokens_total\n" in told
    assert "is not on the page; needs --speculative-config." in told
    assert "atlas_server_ready\n    the exporter asks /health for it." in told
    assert "  python_info\n" in told.partition("NOT READ")[2]


def test_the_explanation_says_why_a_sample_was_left_out() -> None:
    told = translate(FAILED, "--explain").stdout.partition("LEFT OUT")[2]
    assert "health_check: Health checks and scrapes are counted like requests of users" in told
    assert "no event of an objective, such as a mistake of the client" in told


@pytest.mark.parametrize(
    ("page", "args", "code", "says"),
    [
        ("", ("--runtime", "vllm"), 1, "--disable-log-stats"),
        ("<html>", (), 1, "HTML"),
        ("some_metric 1\n", (), 1, "no metric of a known runtime"),
        (FULL_CACHE, ("--runtime", "triton"), 1, "no metric of NVIDIA Triton"),
        (FULL_CACHE, ("--runtime", "vlm"), 2, "expected one of"),
        (FULL_CACHE, ("--version", "new"), 2, "expected a version"),
        ("", ("no-such-file",), 2, "No such file"),
        (FULL_CACHE, ("--dialects", "no-such-folder"), 3, "is no folder"),
    ],
)
def test_each_way_to_go_wrong_has_its_exit_code_and_says_why(
    page: str, args: tuple[str, ...], code: int, says: str
) -> None:
    done = translate(page, *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_a_dialect_of_ones_own_is_spoken_and_one_with_mistakes_is_told_all_of_them(tmp_path: Path) -> None:
    text = (shipped.folder("exporters") / "vllm.yaml").read_text(encoding="utf-8")
    own = text.replace("runtime: vllm\n", "runtime: mine\n").replace('"vllm:', '"mine:').replace("rank: 10", "rank: 99")
    (tmp_path / "mine.yaml").write_text(own, encoding="utf-8")
    page = FULL_CACHE.replace("vllm:", "mine:")
    assert 'runtime="mine"' in translate(page, "--dialects", str(tmp_path)).stdout
    broken = own.replace("gauges_move: step", "gauges_move: often").replace("quality: direct", "quality: fine", 1)
    (tmp_path / "mine.yaml").write_text(broken, encoding="utf-8")
    done = translate(page, "--dialects", str(tmp_path))
    assert done.returncode == 3
    assert "mine.yaml" in done.stderr
    assert done.stderr.count("line ") == 2


def test_the_explanation_writes_series_as_they_stand_on_the_page_and_lists_what_is_nought_for_want_of_a_word() -> None:
    line = 'vllm:num_requests_running{model_name="a\\"b\\nc"} 123456789.5\n'
    told = translate(line, "--explain").stdout
    assert line.strip() in told
    idle = translate((SAMPLES / "bentoml" / "1.4.39" / "idle.prom").read_text(encoding="utf-8"), "--explain").stdout
    assert '  atlas_requests_total{model="Doubler",outcome="rejected"}\n' in idle
    assert "\n  atlas_requests_total\n" not in idle.partition("NOT MADE OF THIS PAGE")[2]


def test_a_page_of_another_runtime_is_not_explained_but_refused() -> None:
    done = translate(FULL_CACHE, "--runtime", "triton", "--explain")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no metric of NVIDIA Triton" in done.stderr
