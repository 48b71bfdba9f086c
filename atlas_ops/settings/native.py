"""Which model servers Prometheus itself scrapes: recording rules then tell the contract from native names.

Read by `settings`; printed by `atlas_ops.render.native`; `atlas_ops.cli.build` and `atlas_ops.check` refuse what would be
counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.reading import Version
from atlas_ops.document import Section
from atlas_ops.settings.addresses import shown
from atlas_ops.settings.servers import Discovery, Server

TAKE_ONE = (
    "let one of them measure these servers: take them out of `servers` and `discovery`, or the job out of `native`; "
    "if the exporter measures others than this job, say `elsewhere: true` beside the job"
)
"""What to do about servers that are measured twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Native:
    """One scrape job of the user's Prometheus, of servers of one runtime."""

    runtime: str
    """Runtime id of a dialect."""
    job: str
    """Value of the label `job`."""
    version: str = ""
    """Version of all its servers: names of other versions are left out; empty: whatever names there are."""
    model: str = ""
    """Name of the model on pages that name none; empty: what a series of the page says, else `unnamed`."""
    elsewhere: bool = False
    """Whether the servers that the exporter measures are others than these."""


def read_native(root: Section, runtimes: Sequence[str]) -> tuple[Native, ...]:
    """Read the list under `native`; `runtimes` are the ids of the dialects that there are."""
    natives = tuple(_read_one(section, runtimes) for section in root.sections("native"))
    for mistake in mistakes(natives):
        root.mistake("native", mistake)
    return natives


def mistakes(natives: Sequence[Native]) -> Iterator[str]:
    """Yield what is wrong with jobs: atlas-ops' own, and one that is there twice."""
    jobs = [native.job for native in natives]
    for job in dict.fromkeys(jobs):
        if job in (c.EXPORTER_JOB, c.PAGER_JOB, c.WATCH_JOB):
            yield f"the job {job} is that of atlas-ops itself; name the job that scrapes the model servers"
        if jobs.count(job) > 1:
            yield f"the job {job!r} is given twice, so everything of it would be recorded twice"


def counted_twice(natives: Sequence[Native], servers: Sequence[Server], discovery: Discovery) -> Iterator[str]:
    """Yield each way in which the exporter and the rules would measure the same server."""
    for number, native in enumerate(natives):
        if native.elsewhere:
            continue
        who = f"native[{number}] ({native.runtime}, job {native.job}) is also measured by the exporter"
        for place, server in enumerate(servers):
            if server.runtime in ("", native.runtime):
                what = "names no runtime, which may be the same" if not server.runtime else "is of the same runtime"
                yield f"{who}: servers[{place}] ({shown(server.url)}) {what}; each request would count twice"
        if discovery.files or discovery.kubernetes:
            yield f"{who}: discovery finds servers of every runtime; each request would count twice"


def _read_one(section: Section, runtimes: Sequence[str]) -> Native:
    runtime = section.string("runtime", choices=runtimes, required=True)
    native = Native(
        runtime=runtime,
        job=section.string("job", runtime),
        version=section.string("version"),
        model=section.string("model"),
        elsewhere=section.flag("elsewhere", default=False),
    )
    section.finish()
    if native.version and Version.parse(native.version) is None:
        section.mistake("version", f"expected a version such as 0.9.2 or 24.08, found {native.version!r}")
    return native
