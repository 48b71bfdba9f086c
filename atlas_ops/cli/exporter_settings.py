"""The settings of `atlas-ops exporter`: its file, with the flags over them.

Called by `cli.exporter` at the start and by `cli.exporter_reload` after every change of the file; `cli.demo` reads
servers in the same form.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from atlas_ops import settings as settings_module
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import load
from atlas_ops.cli import place
from atlas_ops.errors import UsageError
from atlas_ops.exporter.places import page_of
from atlas_ops.settings import Server, Settings, url_problem
from atlas_ops.settings.addresses import shown


def servers_from_flags(flags: Sequence[str]) -> tuple[Server, ...]:
    """Read `URL[=RUNTIME]` texts; UsageError with every mistake in them."""
    servers, mistakes = _servers(flags, load())
    _refuse(mistakes)
    return servers


def read(args: argparse.Namespace) -> Settings:
    """Return the settings of the file with the flags over them; AtlasError with every mistake of either."""
    settings = place.read_config(args)
    spoken = load(settings.exporter.dialects)
    servers, mistakes = _servers(args.server, spoken)
    if args.listen is not None:
        try:
            settings_module.address(args.listen)
        except UsageError as error:
            mistakes.insert(0, f"--listen: {error.message}")
    _refuse(mistakes)
    _refuse([f"the settings file: {problem}" for problem in _doubled(settings.servers, spoken)] if not servers else [])
    exporter = dataclasses.replace(
        settings.exporter,
        listen=settings.exporter.listen if args.listen is None else args.listen,
        web_config_file=settings.exporter.web_config_file if args.web_config is None else args.web_config,
        compat=settings.exporter.compat if args.compat is None else args.compat,
    )
    return dataclasses.replace(settings, exporter=exporter, servers=servers or settings.servers)


def _servers(flags: Sequence[str], spoken: Sequence[Dialect]) -> tuple[tuple[Server, ...], list[str]]:
    runtimes = [dialect.runtime for dialect in spoken]
    servers: list[Server] = []
    mistakes: list[str] = []
    for flag in flags:
        url, runtime = _split(flag, runtimes)
        address, equals, unknown = url.partition("?")[0].rpartition("=")
        problem = url_problem(address if equals else url)
        if not problem and equals:
            problem = f"unknown runtime {unknown!r}; known ones: {', '.join(runtimes)}"
        if problem:
            mistakes.append(f"--server: {problem}")
        else:
            servers.append(Server(url=url, runtime=runtime))
    mistakes += [f"--server: {problem}" for problem in _doubled(servers, spoken)]
    return tuple(servers), mistakes


def _split(flag: str, runtimes: Sequence[str]) -> tuple[str, str]:
    """Split at the last `=` when a runtime follows; a query string may hold others."""
    url, _, runtime = flag.rpartition("=")
    return (url, runtime) if url and runtime in runtimes else (flag, "")


def _doubled(servers: Sequence[Server], spoken: Sequence[Dialect]) -> list[str]:
    """Say which pages are named twice: all of them would be counted twice."""
    pages: dict[str, list[str]] = {}
    for server in servers:
        pages.setdefault(page_of(server, spoken), []).append(shown(server.url))
    return [
        f"{' and '.join(names)} are the same page"
        if len(names := dict.fromkeys(urls)) > 1
        else f"{urls[0]} is given twice"
        for urls in pages.values()
        if len(urls) > 1
    ]


def _refuse(mistakes: Sequence[str]) -> None:
    if mistakes:
        told = mistakes[0] if len(mistakes) == 1 else "\n  ".join((f"{len(mistakes)} mistakes", *mistakes))
        raise UsageError(told, next_step="see `atlas-ops exporter --help` for the form of each flag")
