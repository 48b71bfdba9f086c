"""The JSON schema of a dialect and its loader agree: on every shipped file, and on what is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import jsonschema
import pytest
import yaml

from atlas_ops import shipped
from atlas_ops.catalog import dialects
from atlas_ops.errors import ConfigError
from atlas_ops.render.dialect_schema import schema

CHECKER = jsonschema.Draft202012Validator(schema())
FREE = {"where", "outcomes", "lists", "labels"}
"""Mappings whose keys are the runtime's own words."""
Path = tuple[str | int, ...]


def text_of(runtime: str) -> str:
    return (shipped.folder("exporters") / f"{runtime}.yaml").read_text(encoding="utf-8")


def refused_by_loader(document: object, runtime: str) -> bool:
    try:
        dialects.parse(yaml.safe_dump(document), runtime)
    except ConfigError:
        return True
    return False


def mappings(node: object, path: Path = ()) -> Iterator[Path]:
    if isinstance(node, dict):
        if not path or path[-1] not in FREE:
            yield path
        for key, value in node.items():
            yield from mappings(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from mappings(value, (*path, number))


def at(node: object, path: Path) -> dict[str, object]:
    for key in path:
        node = node[key]  # type: ignore[index]
    assert isinstance(node, dict)
    return node


@pytest.mark.parametrize("runtime", dialects.runtime_ids())
def test_every_shipped_dialect_is_valid(runtime: str) -> None:
    assert [error.message for error in CHECKER.iter_errors(yaml.safe_load(text_of(runtime)))] == []


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


NONSENSE = (
    ('{note: "", quality: none}', "signals", "atlas_request_prompt_tokens"),
    ("{quality: none}", "signals", "atlas_request_prompt_tokens"),
    ("{quality: direct, first_of: [{metric: a}], sum_of: [{metric: b}]}", "signals", "atlas_requests_running"),
    ("{quality: direct, sum_of: [{metric: a, outcomes: {b: ok}, otherwise: error}]}", "signals", "atlas_requests_total"),
    ("{quality: direct, sum_of: [{metric: a, outcomes: {b: ok}}]}", "signals", "atlas_requests_total"),
    ("{quality: direct, sum_of: [{metric: a, label: b, otherwise: error}]}", "signals", "atlas_requests_total"),
    ("{quality: direct, sum_of: [{metric: a, label: b, outcomes: {}}]}", "signals", "atlas_requests_total"),
    ("{quality: direct, first_of: [{metric: a, model: {whole: false}}]}", "signals", "atlas_requests_running"),
    ("{quality: direct, first_of: [{metric: a, decode: ratio}]}", "signals", "atlas_requests_running"),
    ("{quality: direct, first_of: [{metric: a, decode: mean}]}", "signals", "atlas_queue_time_seconds"),
    ("{quality: direct, first_of: [{metric: a, decode: label_product}]}", "signals", "atlas_kv_cache_capacity_tokens"),
    ("{quality: direct, first_of: [{metric: a, decode: state}]}", "signals", "atlas_server_ready"),
    ("{quality: direct, first_of: [{metric: a, decode: state, equals: 1, at_least: 1}]}", "signals", "atlas_server_ready"),
    ("[{path: /a, tells: readiness, find: b}]", "health"),
    ("[{path: /a, answers: [{find: b}]}]", "ask"),
    ("[{path: /a, answers: [{find: b, fact: model, signal: atlas_server_ready}]}]", "ask"),
    ("{names: []}", "fingerprint"),
    ("{names: ['a', '']}", "fingerprint"),
    ("{}", "models"),
    ("{alone: false}", "models"),
    ("{labels: []}", "models"),
    ("{gauges_move: live, alive: {metric: a, labels: []}}", "semantics"),
)  # fmt: skip


@pytest.mark.parametrize("case", NONSENSE, ids=lambda case: case[0])
def test_what_does_not_go_together_is_refused_by_both(case: tuple[str, ...]) -> None:
    wrong, *path, last = case
    document = yaml.safe_load(text_of("vllm"))
    assert last in at(document, tuple(path))
    at(document, tuple(path))[last] = yaml.safe_load(wrong)
    assert not CHECKER.is_valid(document)
    assert refused_by_loader(document, "vllm")


def one_path_of_each_shape() -> list[tuple[str, Path]]:
    """A place of every kind, such as the first reading of the first signal that has one."""
    found: dict[Path, tuple[str, Path]] = {}
    for runtime in dialects.runtime_ids():
        for path in mappings(yaml.safe_load(text_of(runtime))):
            shape = tuple(part for part in path if isinstance(part, str) and not part.startswith("atlas_"))
            found.setdefault(shape, (runtime, path))
    return list(found.values())


@pytest.mark.parametrize(("runtime", "path"), one_path_of_each_shape(), ids=lambda value: str(value))
def test_a_key_that_is_unknown_is_refused_by_both(runtime: str, path: Path) -> None:
    document = yaml.safe_load(text_of(runtime))
    at(document, path)["nonsense"] = "1"
    assert not CHECKER.is_valid(document)
    assert refused_by_loader(document, runtime)


@pytest.mark.parametrize(("runtime", "path"), one_path_of_each_shape(), ids=lambda value: str(value))
def test_a_key_that_the_schema_needs_is_needed_by_the_loader(runtime: str, path: Path) -> None:
    whole = yaml.safe_load(text_of(runtime))
    for key in at(whole, path):
        document = copy.deepcopy(whole)
        del at(document, path)[key]
        if not CHECKER.is_valid(document):
            assert refused_by_loader(document, runtime), key
