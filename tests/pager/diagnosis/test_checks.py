from __future__ import annotations

import pytest

from atlas_ops.errors import ConfigError
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.runbooks import front_matter
from atlas_ops.pager.runbooks.runbook import Runbook

WHOLE = """\
---
checks:
  - cause: Prompts have become longer
    query: sum(rate(a{model="{{model}}"}[5m]))
    when: "> 1.5"
    unit: times
    evidence: Prompts are {{value}} as long
    against: Prompts are as long as ever
    next: Send them away
    weight: 3
    empty: "no"
    runtimes: [vllm]
  - cause: Something else
    query: up
    when: "== 0"
    evidence: It is down
---
# Title

## Mitigation

1. **Send them away.** (read)
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        checks.read(text, "runbooks/x/Y.md")
    return list(raised.value.mistakes)


def test_a_check_is_read_with_everything_it_says() -> None:
    first, second = checks.read(WHOLE, "Y.md")
    assert (first.cause, first.when, first.unit) == ("Prompts have become longer", checks.When(">", 1.5), "times")
    assert (first.weight, first.empty_says_no, first.runtimes) == (3, True, ("vllm",))
    assert (second.weight, second.empty_says_no, second.runtimes, second.against) == (2, False, (), "")


def test_a_page_without_front_matter_has_no_checks() -> None:
    assert checks.read("# Title\n\n---\n\nchecks: none\n\n---\n", "Y.md") == ()


def test_the_front_matter_is_no_part_of_the_page_and_moves_no_line_of_it() -> None:
    body = front_matter.body(WHOLE)
    assert "checks" not in body
    assert next(line for line in body.splitlines() if line) == "# Title"
    assert body.splitlines().index("# Title") == WHOLE.splitlines().index("# Title")
    (step,) = Runbook(fault="Y", family="x", text=WHOLE).steps("Mitigation")
    assert step.title == "Send them away"


def test_all_mistakes_are_told_at_once_with_the_lines_of_the_file() -> None:
    wrong = """\
---
checks:
  - cause: It broke.
    query: up
    when: more than 3
    unit: furlongs
    evidence: Yes
    weight: 7
    colour: red
  - cause: It broke.
    when: "> 1"
---
"""
    found = "\n".join(mistakes(wrong))
    for told in (
        "line 3: checks[0].cause: expected a sentence without its full stop",
        "line 5: checks[0].when: expected a comparison and a number",
        "line 6: checks[0].unit: expected one of number, percent",
        "line 8: checks[0].weight: expected 1, 2 or 3, found 7",
        "line 9: checks[0].colour: unknown key",
        "line 10: checks[1].cause: 'It broke.' is there twice",
        "checks[1].query: is missing",
        "checks[1].evidence: is missing",
    ):
        assert told in found


def test_front_matter_that_is_not_yaml_names_its_line() -> None:
    assert mistakes("---\nchecks: [\n---\n# T\n")[0].startswith("line ")


def test_the_sample_that_says_most_is_told() -> None:
    assert max([1.0, 5.0, 3.0], key=checks.When(">", 2).nearest) == 5.0
    assert max([1.0, 5.0, 3.0], key=checks.When("<=", 2).nearest) == 1.0
