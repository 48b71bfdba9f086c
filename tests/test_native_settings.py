"""The list `native` of the settings: its defaults, and every mistake at once."""

from __future__ import annotations

import pytest

from atlas_ops import settings
from atlas_ops.errors import ConfigError
from atlas_ops.settings import Native


def test_a_job_is_called_like_its_runtime_and_is_nothing_that_the_exporter_knows() -> None:
    told = settings.parse(
        "native: [{runtime: vllm}, {runtime: vllm, job: b, version: 0.9.2, model: m, elsewhere: true}]"
    )
    assert told.native == (
        Native(runtime="vllm", job="vllm"),
        Native(runtime="vllm", job="b", version="0.9.2", model="m", elsewhere=True),
    )
    assert settings.parse("").native == ()


def test_all_mistakes_are_told_together_with_their_lines() -> None:
    text = """\
native:
  - {runtime: vlm}
  - {job: a}
  - {runtime: vllm, version: new}
  - {runtime: tgi, jobs: x}
  - {runtime: tgi, job: tgi}
  - {runtime: triton, job: atlas-exporter}
"""
    with pytest.raises(ConfigError) as caught:
        settings.parse(text)
    said = "\n".join(caught.value.mistakes)
    assert "line 2: native[0].runtime: expected one of " in said
    assert "(did you mean 'vllm'?)" in said
    assert "line 3: native[1].runtime: is missing" in said
    assert "line 4: native[2].version: expected a version such as 0.9.2 or 24.08, found 'new'" in said
    assert "line 5: native[3].jobs: unknown key; did you mean 'job'?" in said
    assert "native: the job 'tgi' is given twice" in said
    assert "native: the job atlas-exporter is that of atlas-ops itself" in said
