from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.pager.runbooks.placeholder import fill_commands, fill_text

KNOWN = {"model": "llama", "server": "10.0.0.1:8000", "namespace": "prod"}


def test_the_first_known_alternative_is_filled_in() -> None:
    assert fill_text("on {{pod|server}} and {{ server | pod }}", KNOWN) == "on 10.0.0.1:8000 and 10.0.0.1:8000"
    assert fill_text("on {{pod|server}}", {**KNOWN, "pod": "p-0"}) == "on p-0"


def test_in_prose_an_unknown_placeholder_reads_as_its_name() -> None:
    assert fill_text("on {{pod}} or {{pod|gpu}}", KNOWN) == "on <pod> or <pod|gpu>"


def test_templates_of_other_tools_are_left_alone() -> None:
    assert fill_text("docker ps --format '{{.Names}}'", KNOWN) == "docker ps --format '{{.Names}}'"


def test_a_command_that_lacks_a_value_is_left_out_with_its_comment_and_its_continuation() -> None:
    code = "# kubernetes\nkubectl -n {{namespace}} logs {{pod}} \\\n  --tail 5\n# anywhere\ncurl http://{{server}}/"
    filled = fill_commands(code, KNOWN)
    assert filled.text == "# anywhere\ncurl http://10.0.0.1:8000/"
    assert filled.lacking == ("pod",)


def test_a_command_over_several_lines_in_quotes_goes_or_stays_as_a_whole() -> None:
    code = 'curl -d \'{\n  "model": "{{model}}"\n}\' http://{{pod}}/\necho done'
    assert fill_commands(code, KNOWN).text == "echo done"
    assert fill_commands(code, {**KNOWN, "pod": "p"}).text == code.replace("{{model}}", "llama").replace("{{pod}}", "p")


def test_a_comment_with_an_apostrophe_ends_with_its_line() -> None:
    code = "ls # don't\nkubectl logs {{pod}}\necho {{model}}"
    assert fill_commands(code, KNOWN).text == "ls # don't\necho llama"


def test_a_value_that_is_not_plain_is_quoted() -> None:
    assert fill_commands("echo {{model}}", {"model": "my model; rm -rf /"}).text == "echo 'my model; rm -rf /'"


@pytest.mark.parametrize(
    "command",
    [
        "echo '{{model}}'",
        'echo "{{model}}"',
        "echo \\{{model}}",
        "ssh host echo {{model}}",
        "kubectl exec x -- sh -c {{model}}",
        "eval echo {{model}}",
        "cat <<EOF\n{{model}}\nEOF",
        "echo $'{{model}}'",
        "echo `echo {{model}}`",
    ],
)
def test_where_no_quoting_is_safe_only_plain_values_are_filled_in(command: str) -> None:
    assert "$(reboot)" not in fill_commands(command, {"model": "$(reboot)"}).text
    assert "llama" in fill_commands(command, KNOWN).text


def test_a_value_that_reads_as_an_option_is_not_filled_in() -> None:
    assert fill_commands("kubectl delete pod {{pod}}", {"pod": "--all"}).text == ""


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_in_a_command_any_value_stays_one_word_for_a_real_shell(value: str) -> None:
    filled = fill_commands("printf '%s\\n' {{model}} end", {"model": value}).text
    if not filled:
        assert value.startswith("-")
        return
    ran = subprocess.run(["bash", "-c", filled], capture_output=True, check=True)
    assert ran.stdout.decode() == f"{value}\nend\n"
    assert shlex.split(filled)[-1] == "end"
