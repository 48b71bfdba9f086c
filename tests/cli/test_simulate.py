"""`atlas-ops simulate`: which GPUs and driver it pretends to have."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from atlas_ops import cli


@pytest.mark.parametrize(
    ("arguments", "known"), [(["--gpu-profile", "b300"], "h100-mig"), (["--driver", "newest"], "580.82")]
)
def test_an_unknown_gpu_or_driver_is_refused_with_the_known_ones(
    arguments: list[str], known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", *arguments]) == 2
    said = capsys.readouterr().err
    assert arguments[1] in said
    assert known in said


def test_the_help_names_every_gpu_and_driver(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--help"])
    told = capsys.readouterr().out
    for name in ("a100", "h100", "h100-mig", "h200", "l40s", "l4", "rtx4080s", "570", "575", "580.65", "580.82", "590"):
        assert re.search(rf"\b{re.escape(name)}\b", told)


def test_the_gpus_are_those_that_were_asked_for() -> None:
    command = [sys.executable, "-m", "atlas_ops", "simulate", "--listen", "127.0.0.1:0", "--replicas", "1"]
    with subprocess.Popen(
        [*command, "--gpu-profile", "l4", "--driver", "590"], stderr=subprocess.PIPE, text=True
    ) as simulator:
        assert simulator.stderr is not None
        try:
            said = ""
            while not (control := re.search(r"control +(http://\S+)/state", said)):
                line = simulator.stderr.readline()
                assert line, said
                said += line
            with urllib.request.urlopen(f"{control[1]}/gpus", timeout=20) as answer:
                (gpu,) = json.load(answer)
        finally:
            simulator.terminate()
    assert (gpu["profile"], gpu["driver"]) == ("l4", "590")
    assert simulator.returncode == 0


def test_a_folder_without_traces_is_refused_with_what_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "--traces", str(tmp_path)]) == 2
    assert "Mooncake" in capsys.readouterr().err
