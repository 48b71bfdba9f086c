"""Load is run in turns and no longer than needed; a load generator that misbehaves is no traceback and leaves nothing behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from atlas_ops.errors import AtlasError, DataError, EnvironmentProblem, UsageError
from atlas_ops.gate import interleaved
from atlas_ops.gate.interleaved import Plan, judged, order
from atlas_ops.gate.judge import Judgement, judge
from atlas_ops.gate.metrics import Tolerances, standard
from atlas_ops.gate.runs import Run

WRITE = "import json,random,sys; o,u=sys.argv[1:]; f=open(o,'w'); [print(json.dumps(dict(latency_seconds=float(u)*random.uniform(1,SPREAD))),file=f) for _ in range(120)]"


def plan(
    folder: Path, code: str, *, runs: int = 8, urls: tuple[str, str] = ("0.2", "0.2"), timeout: float = 60.0
) -> Plan:
    command = f'{sys.executable} -I -S -c "{code}" {{output}} {{url}}'
    return Plan(command=command, urls=urls, runs=runs, warm_up=0, folder=folder, timeout_seconds=timeout)


def run(plan: Plan) -> tuple[Judgement, list[str]]:
    told: list[str] = []

    def verdict(baseline: Sequence[Run], canary: Sequence[Run]) -> Judgement:
        return judge(baseline, canary, standard(Tolerances()), Tolerances(), looks=plan.looks)

    return judged(plan, verdict, told.append), told


def test_in_every_other_pair_the_canary_is_first() -> None:
    assert list(order(4)) == [0, 1, 1, 0, 0, 1, 1, 0]


def test_a_clear_verdict_spares_the_rest(tmp_path: Path) -> None:
    found, told = run(plan(tmp_path, WRITE.replace("SPREAD", "1.1"), urls=("0.2", "0.4")))
    assert (found.verdict, found.runs, found.looks) == ("fail", (5, 5), 4)
    assert told[-1] == "the verdict is certain enough after 5 of 8 runs on each side"
    assert len(told) == 11


def test_no_verdict_takes_all_runs(tmp_path: Path) -> None:
    found, told = run(plan(tmp_path, WRITE.replace("SPREAD", "1.1"), runs=2))
    assert (found.verdict, found.runs, len(told)) == ("cannot tell", (2, 2), 4)


def test_arguments_are_no_shell(tmp_path: Path) -> None:
    code = "import sys,json; open(sys.argv[1],'w').write(json.dumps(dict(latency_seconds=len(sys.argv[2]))))"
    found, _ = run(plan(tmp_path, code, runs=2, urls=("$(touch x); a b", "$(touch x); a b")))
    assert {reading.value for reading in found.findings[0].baseline} == {float(len("$(touch x); a b"))}
    assert not (tmp_path / "x").exists()


def test_a_load_generator_that_exits_with_an_error_but_wrote_its_result_is_believed(tmp_path: Path) -> None:
    found, _ = run(plan(tmp_path, f"{WRITE.replace('SPREAD', '1.1')}; f.close(); sys.exit(99)", runs=2))
    assert found.runs == (2, 2)


def test_the_prefix_of_locust_leads_to_its_file(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1]+'_stats.csv','w').write('Type,Name,Request Count,Failure Count,50%,90%,99%\\n,Aggregated,500,0,100,200,300\\n')"
    found, _ = run(plan(tmp_path, code, runs=2))
    assert found.findings[0].baseline[0].value == pytest.approx(0.1)


BAD: dict[str, tuple[str, float, type[AtlasError], str]] = {
    "no result": ("print('no such host')", 60.0, DataError, "ended with exit code 0 and wrote no .*no such host"),
    "no requests": ("import sys; open(sys.argv[1],'w')", 60.0, DataError, "an empty file"),
    "binary": (
        "import os; os.write(1, b'x' * 5000 + bytes(range(256))); print('no such host')",
        60.0,
        DataError,
        r"it said:\n.{0,1500}no such host",
    ),
    "killed": (
        f"{WRITE.replace('SPREAD', '1.1')}; f.flush(); import os; os.kill(os.getpid(), 9)",
        60.0,
        DataError,
        "ended by SIGKILL",
    ),
    "killed in a shell": (
        f"{WRITE.replace('SPREAD', '1.1')}; f.close(); sys.exit(137)",
        60.0,
        DataError,
        "ended by SIGKILL",
    ),
    "never ends": ("import time; time.sleep(600)", 0.3, DataError, "did not end within 0.3 s"),
}


@pytest.mark.parametrize("name", BAD)
def test_load_without_a_result_says_what_the_command_said(tmp_path: Path, name: str) -> None:
    code, timeout, error, said = BAD[name]
    with pytest.raises(error, match=f"(?s){said}") as caught:
        run(plan(tmp_path, code, timeout=timeout))
    assert all(letter.isprintable() or letter in "\n\t" for letter in str(caught.value))


def test_a_load_generator_that_does_not_listen_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interleaved, "_PATIENCE_SECONDS", 0.3)
    told = tmp_path / "pid"
    code = f"import os,signal,time; signal.signal(15,signal.SIG_IGN); open('{told}','w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(DataError, match="did not end"):
        run(plan(tmp_path, code, timeout=5.0))
    assert not Path(f"/proc/{told.read_text(encoding='utf-8')}").exists()


@pytest.mark.parametrize(("stops", "ends"), [("signal.SIG_DFL", False), ("signal.SIG_IGN", True)])
def test_what_the_load_generator_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: str, ends: bool
) -> None:
    monkeypatch.setattr(interleaved, "_PATIENCE_SECONDS", 0.3)
    child = tmp_path / "child"
    code = (
        "import os,subprocess,sys,time; p=subprocess.Popen([sys.executable,'-c',"
        f"'import signal,time; signal.signal(15,{stops}); open(chr(114),chr(119)).close(); time.sleep(600)'],cwd='{tmp_path}'); "
        f"open('{child}','w').write(str(p.pid))\nwhile not os.path.exists('{tmp_path}/r'): time.sleep(0.01)\n"
        f"{'sys.exit(1)' if ends else 'time.sleep(600)'}"
    )
    with pytest.raises(DataError, match="and wrote no" if ends else "did not end"):
        run(plan(tmp_path, code, timeout=5.0))
    left = Path(f"/proc/{child.read_text(encoding='utf-8')}/status")
    deadline = time.monotonic() + 30
    while running(left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(left)


def running(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_that_is_not_there_or_lacks_its_places_is_refused(tmp_path: Path) -> None:
    lacking = {
        "command": "k6 run {url}",
        "urls": ("a", "b"),
        "runs": 5,
        "warm_up": 0,
        "folder": tmp_path,
        "timeout_seconds": 1.0,
    }
    with pytest.raises(UsageError, match=r"lacks \{output\}"):
        Plan(**lacking)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="No closing quotation"):
        Plan(**{**lacking, "command": "k6 '{url} {output}"})  # type: ignore[arg-type]
    with pytest.raises(EnvironmentProblem, match="no-such-program cannot be started"):
        run(Plan(**{**lacking, "command": "no-such-program {url} {output}"}))  # type: ignore[arg-type]
