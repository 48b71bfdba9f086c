"""Every shipped runbook: with the labels of a real alert of its fault nothing is left to fill in, and its commands are ones."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from atlas_ops import shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Fault
from atlas_ops.pager.incident import Alert
from atlas_ops.pager.runbooks import placeholder, runbook
from atlas_ops.pager.runbooks.runbook import SHELL, parser, source
from atlas_ops.pager.runbooks.values import values

FAULTS = build_catalog().faults
_ODD = {"server": "10.0.0.1:8000", "gpu": "0", "xid": "79", "uuid": "GPU-5a7c", "model": "meta-llama/Llama-3.1-8B"}


def sample(fault: Fault) -> Alert:
    """An alert of a fault with all the labels that its alerts have."""
    labels = {word: _ODD.get(word, f"{word}-1") for word in fault.alert_labels}
    return Alert(
        fingerprint="f",
        firing=True,
        starts_at=1_750_000_000.0,
        ends_at=None,
        labels={**labels, "alertname": fault.name, "severity": fault.severity.value},
        annotations={},
        generator_url="http://prometheus:9090/graph?g0.expr=x",
    )


def blocks(fault: Fault) -> Iterator[str]:
    """The blocks of commands in a runbook."""
    book = runbook.load(shipped.folder("runbooks"), fault.name)
    assert book is not None
    for token in parser().parse(source(book.text)):
        if token.type == "fence" and token.info.strip().lower() in SHELL:
            yield token.content


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_labels_of_an_alert_fill_in_every_command_of_its_runbook(fault: Fault) -> None:
    known = values(sample(fault))
    found = [placeholder.fill_commands(block, known) for block in blocks(fault)]
    assert found
    assert [words for commands in found for words in commands.lacking] == []
    assert "{{" not in "".join(commands.text for commands in found).replace("{{.", "")


def test_the_shell_understands_every_command() -> None:
    scripts = {
        fault.name: "\n".join(placeholder.fill_commands(block, values(sample(fault))).text for block in blocks(fault))
        for fault in FAULTS
    }
    whole = "\n".join(f"# {name}\n{script}" for name, script in scripts.items())
    checked = subprocess.run(["bash", "-n"], input=whole, capture_output=True, text=True, check=False)
    assert checked.stderr == ""
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "shellcheck has to be installed"
    # SC2046: `date` prints one word. What is run is one command of many, so no script sets or reads the variables of another.
    options = ["--shell=bash", "--severity=warning", "--exclude=SC2046", "--format=gcc", "-"]
    told = subprocess.run([shellcheck, *options], input=whole, capture_output=True, text=True, check=False)
    assert told.stdout == ""
