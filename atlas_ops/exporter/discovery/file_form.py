"""Reads one file in the form of Prometheus's `file_sd`: a list of groups, each with its targets and their labels.

Called by `files`. A target is `host:port`, to which scheme and path are added, or a whole address. The labels that say
something to us are in `_labels` and `_PROMETHEUS_LABELS`; others (such as `env`) are for Prometheus and left alone. JSON is
read as the YAML that it is.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from atlas_ops.document import Document, Section
from atlas_ops.errors import ConfigError
from atlas_ops.settings import Server, url_problem
from atlas_ops.settings.servers import read_description

MAX_BYTES = 4 * 1024 * 1024
"""Of one file, some 40,000 targets: one exporter is for the servers of one machine, or of a few."""

_PATH, _SCHEME = "__metrics_path__", "__scheme__"
_PROMETHEUS_LABELS = (_PATH, _SCHEME)
_LEFT_BY_PROMETHEUS = "__meta_"
"""What other discoveries of Prometheus tell of a target; it takes these labels off itself."""


def read(path: Path, runtimes: Sequence[str]) -> tuple[Server, ...]:
    """Return the servers of a file; ConfigError with every mistake in it. `runtimes` are the ids of the dialects."""
    return parse(_text(path), str(path), runtimes)


def _text(path: Path) -> str:
    try:
        found = path.stat()
        problem, next_step = _unfit(path, found)
        if not problem:
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        problem, next_step = "it is not UTF-8", "write it anew as UTF-8"
    except OSError as error:
        problem, next_step = error.strerror or str(error), "check the path and its permissions"
    raise ConfigError(str(path), [f"cannot be read: {problem}"], next_step=next_step)


def _unfit(path: Path, found: os.stat_result) -> tuple[str, str]:
    """Say why something that is there is not read, and what to do about it; two empty texts where it is."""
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder", f"name the files in it, such as {path}/*.json"
    if not stat.S_ISREG(found.st_mode):
        return "it is a pipe, a socket or a device", "write a file: others are read again and again, and may never end"
    if found.st_size > MAX_BYTES:
        told = f"it is larger than {MAX_BYTES} bytes"
        return told, "leave out the targets that this exporter need not measure, or split it into several files"
    return "", ""


def parse(text: str, file: str, runtimes: Sequence[str]) -> tuple[Server, ...]:
    """Return the servers that a text names; ConfigError with every mistake in it."""
    # A tab is white space in JSON and a mistake in YAML; within the texts of JSON there is none.
    document = Document(text.replace("\t", " ") if file.endswith(".json") else text, file)
    servers = [server for group in document.items for server in _group(group, runtimes)]
    document.close(next_step="mend these lines; until then the servers that the file named before are kept")
    return tuple(servers)


def _group(group: Section, runtimes: Sequence[str]) -> list[Server]:
    targets, labels = group.strings("targets"), group.section("labels")
    if not group.has("targets"):
        group.mistake("targets", "is missing; expected a list of host:port")
    described = read_description(labels, runtimes)
    scheme = labels.string(_SCHEME, "http", choices=("http", "https"))
    path = labels.string(_PATH)
    if path and not path.startswith("/"):
        labels.mistake(_PATH, f"expected a path such as /metrics, found {path!r}")
    _refuse_unknown(labels)
    group.finish()
    servers = []
    for target in targets:
        url = _url(target, scheme, path)
        problem = url_problem(url)
        if problem:
            group.mistake("targets", problem)
        servers.append(dataclasses.replace(described, url=url))
    return servers


def _refuse_unknown(labels: Section) -> None:
    for name in labels.keys():  # noqa: SIM118 (a Section is no mapping)
        if name.startswith("__") and name not in _PROMETHEUS_LABELS and not name.startswith(_LEFT_BY_PROMETHEUS):
            labels.mistake(name, f"is not obeyed here; known: {', '.join(_PROMETHEUS_LABELS)}")


def _url(target: str, scheme: str, path: str) -> str:
    return target if "://" in target else f"{scheme}://{target}{path}"
