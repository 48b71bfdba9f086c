"""What opening a dashboard costs a real Prometheus, at 1,000 GPUs with a model server for every two of them.

Run by hand (`make bench-dashboards`), never by the test command. The fleet (`fleet`) is written into an empty Prometheus, with what
the rules would have recorded, each series as far back as some dashboard looks. Then every query of every panel is asked, one
after the other, as Grafana asks it when the dashboard is opened on a screen 1,500 pixels wide: with All chosen, or the first value
where the dashboard opens on one; over the default time range; with about a point for each pixel of the panel, but none between
two scrapes. Grafana asks several at a time, so opening takes less than the total.

Dashboards of others are asked beside ours, on the native metrics of the same fleet (`--beside FILE ...`), over the last hour and,
where they have no All, for one model. Those that people have: `examples/observability/prometheus_grafana/grafana.json` of vLLM and
`grafana/dcgm-exporter-dashboard.json` of dcgm-exporter.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from atlas_ops import promql
from atlas_ops.catalog import build_catalog
from atlas_ops.expressions import placeholders
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.render import dashboards
from atlas_ops.render.dashboards import boards
from atlas_ops.settings import Settings
from atlas_ops.stage.processes import Process, get
from benchmarks.fleet import GPUS_OF_A_NODE, HOUR, Filling, Span, fleet, node, spans
from tests.dashboards_data.grafana import Chosen, View

GPUS = 1000
TOLD_QUERIES = 12
TIMEOUT_SECONDS = 120.0
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """What a dashboard asks: its JSON, and how many hours it shows."""

    name: str
    board: Json
    hours: float

    @property
    def targets(self) -> Iterator[tuple[Json, Json]]:
        """Return every query with its panel; of older Grafanas, rows may contain panels."""
        panels = [inner for panel in self.board["panels"] for inner in (panel, *panel.get("panels", ()))]
        return ((panel, target) for panel in panels for target in panel.get("targets", ()))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one query took, and how much came back."""

    panel: str
    seconds: float
    series: int


def ours() -> Iterator[Opened]:
    """Yield our dashboards as they are built without a configuration."""
    catalog, settings = build_catalog(), Settings()
    files = dashboards.render(catalog, settings)
    for board in boards.build(catalog, settings):
        yield Opened(name=board.name, board=json.loads(files[f"dashboards/{board.name}.json"]), hours=board.hours)


def read(opened: Iterable[Opened], known: Iterable[Rule]) -> dict[str, list[Span]]:
    """Return how far back each series is read, by name; by rules for an hour at most, which is enough for them to say something."""
    found: dict[str, set[Span]] = {}
    for name, told in spans(rule.expr for rule in known).items():
        found[name] = {(min(HOUR, longest), 0.0) for longest, _ in told}
    for one in opened:
        for _, target in one.targets:
            for name, told in spans([placeholders.filled(target["expr"])]).items():
                found.setdefault(name, set()).update((one.hours * HOUR + longest, 0.0) for longest, _ in told)
    return {name: [max(told)] for name, told in found.items()}


def chosen(view: View) -> Chosen:
    """Return what has to be chosen: everything, where a variable has no text that stands for it; its first value, without All."""
    found: dict[str, str | tuple[str, ...]] = {}
    for variable in view.variables:
        if not variable.get("allValue"):
            values = (*view.values(variable["name"], found), "")
            found[variable["name"]] = values[:-1] if variable["includeAll"] else values[0]
    return found


def ask(one: Opened, filling: Filling, now: float) -> list[Cost]:
    """Ask everything that a dashboard asks."""
    view = View(board=one.board, hours=one.hours, end=now, prometheus=filling.prometheus)
    choice = chosen(view)
    return [_asked(view, panel, target, choice) for panel, target in one.targets]


def _asked(view: View, panel: Json, target: Json, choice: Chosen) -> Cost:
    form: dict[str, object] = {"query": view.asked(panel, target, choice)}
    if target.get("instant"):
        call = f"query?{urlencode({**form, 'time': view.end})}"
    else:
        call = (
            f"query_range?{urlencode({**form, 'start': view.start, 'end': view.end, 'step': view.step(panel, target)})}"
        )
    began = time.perf_counter()
    status, body = get(f"{view.prometheus.url}/api/v1/{call}", timeout=TIMEOUT_SECONDS)
    seconds = time.perf_counter() - began
    if status != 200:
        raise SystemExit(f"{panel['title']}: {target['expr']}: HTTP {status}: {body[:300]!r}")
    return Cost(panel=panel["title"], seconds=seconds, series=len(json.loads(body)["data"]["result"]))


def ask_and_tell(one: Opened, filling: Filling, now: float) -> list[Cost]:
    """Open a dashboard and print its line."""
    costs = ask(one, filling, now)
    slowest = max(costs, key=lambda cost: cost.seconds)
    print(
        f"{one.name:<14} {promql.duration(one.hours * HOUR):>5} {len(costs):>7} {sum(cost.series for cost in costs):>7} "
        f"{sum(cost.seconds for cost in costs):>7.2f} s {slowest.seconds:>7.2f} s  {slowest.panel}",
        flush=True,
    )
    return costs


def main() -> None:
    """Fill a Prometheus, and open every dashboard."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gpus", type=int, default=GPUS, metavar="N", help="size of the fleet (%(default)s)")
    arguments.add_argument("--beside", type=Path, nargs="+", default=[], metavar="FILE", help="dashboards of others")
    args = arguments.parse_args()
    beside = [Opened(name=path.stem, board=json.loads(path.read_text()), hours=1.0) for path in args.beside]
    opened = [*ours(), *beside]
    known = rules.of_catalog(build_catalog(), Settings())
    told = read(opened, known)
    # Of others' variables: a label without a metric, or a metric that some panel shows as well.
    series = {one: column for one, column in fleet(node(native=bool(beside)), args.gpus) if one.name in told}
    now = float(int(time.time()))
    with tempfile.TemporaryDirectory() as name:
        filling = Filling(Path(name), series, told)
        with Process("prometheus", filling.command(), log=Path(name) / "prometheus.log") as process:
            process.wait_until_ready(f"{filling.address}/-/ready")
            filling.fill(now)
            filling.record(known, now)
            print(f"{args.gpus} GPUs, {args.gpus // GPUS_OF_A_NODE} servers, {len(series)} series", file=sys.stderr)
            print(f"{'dashboard':<14} {'range':>5} {'queries':>7} {'series':>7} {'total':>9} {'slowest':>9}  its panel")
            costs = {one: ask_and_tell(one, filling, now) for one in opened}
    slowest = sorted(((cost, one.name) for one in costs for cost in costs[one]), key=lambda pair: -pair[0].seconds)
    print("\nThe slowest queries:")
    for cost, name in slowest[:TOLD_QUERIES]:
        print(f"{cost.seconds:>7.2f} s {cost.series:>6} series  {name}: {cost.panel}")


if __name__ == "__main__":
    main()
