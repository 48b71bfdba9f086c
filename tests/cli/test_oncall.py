"""`atlas-ops oncall`: what a person at the terminal sees of a schedule."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops.cli import main

SCHEDULE = """\
time_zone: Europe/Berlin
rotations: [{people: [ann, bob], starts: 2026-10-19, handover: 09:00}]
overrides: [{from: 2026-10-24 12:00, to: 2026-10-25 12:00, who: cyd}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "primary.yaml"
    path.write_text(SCHEDULE)
    return path


def test_it_prints_who_is_on_call_and_the_next_handovers(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["oncall", "--schedule", str(file), "--at", "2026-10-24 11:00", "--turns", "4"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{file} (Europe/Berlin)",
        "  now   ann                  until Sat 2026-10-24 12:00 CEST",
        "  then  cyd                  until Sun 2026-10-25 12:00 CET, standing in",
        "  then  ann                  until Mon 2026-10-26 09:00 CET",
        "  then  bob                  until Mon 2026-11-02 09:00 CET",
    ]


def test_without_at_it_is_about_now(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SCHEDULE.replace("[ann, bob]", "[zoe]"))
    assert main(["oncall", "--schedule", str(file), "--turns", "1"]) == 0
    assert "now   zoe" in capsys.readouterr().out


def test_the_settings_name_all_schedules(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = file.parent / "atlas-ops.yaml"
    config.write_text(f"pager: {{schedules: {{primary: {file}, second: {file}}}}}")
    assert main(["oncall", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert "primary (Europe/Berlin)" in said
    assert "second (Europe/Berlin)" in said


def test_somebody_who_cannot_be_told_is_found_before_the_night(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = file.parent / "atlas-ops.yaml"
    config.write_text(
        f"pager: {{schedules: {{primary: {file}}}, targets: {{ann: {{slack_user: U024BE7LH}}}}, "
        "escalation: [{after: 15m, to: primary}]}"
    )
    assert main(["oncall", "--config", str(config)]) == 3
    assert "primary: bob, cyd: no such target" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "there is no schedule"),
        (("--schedule", "FILE", "--at", "tomorrow"), 2, "--at: expected a time such as"),
        (("--schedule", "FILE", "--turns", "0"), 2, "--turns: expected a number from 1 to 1000"),
        (("--schedule", "/nowhere.yaml"), 3, "cannot be read"),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: tuple[str, ...], code: int, said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["oncall", *(str(file) if word == "FILE" else word for word in arguments)]) == code
    assert said in capsys.readouterr().err
