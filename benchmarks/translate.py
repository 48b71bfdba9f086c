"""What reading and translating the pages of model servers costs, against prometheus_client's parser in the same run.

Run by hand (`make bench-translate`), never by the test command. Four tables:

- 1, 8 and 32 vLLM servers under load: what each scrape of one of them costs. The pages are made of two real captures of one
  server: series that changed between the two go on changing, the others stay.
- the largest real pages, with every number on them changing,
- memory over many scrapes, of servers whose values change, and of one all of whose series are new each time,
- pages of 16 MiB that are made to be slow, against a harmless one of that size.

The three ways (prometheus_client, ours, ours and the translation by the dialect) take turns page by page, so that a busy
machine is busy for all of them. Times are processor time, of the middle scrape.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure
from atlas_ops.exporter.translate import Translator

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
VLLM = ("vllm/0.32.0/load-stream-1.prom", "vllm/0.32.0/load-stream-2.prom")
LARGE = ("ray*/**/*.prom", "*fastapi*/**/*.prom")
PEER = f"prometheus_client {version('prometheus_client')}"
INTERVAL_SECONDS = 15.0
VARIANTS = 20
"""Different pages of a server; then they come again, by which time all of their numbers have changed."""
MOST_MODELS = 64
MEBI = 1 << 20


class Server:
    """One server as the exporter sees it: a parser and a translator of its own."""

    def __init__(self, number: int, body: bytes) -> None:
        names = Parser().parse(body).names
        dialect = recognise(shipped_dialects(), names)
        identity = Identity(server=f"10.0.0.{number}:8000", host_name="node-1")
        self._parser, self._whole = Parser(), Parser()
        self._translator = Translator(dialect, identity, MOST_MODELS) if dialect else None

    def read(self, body: bytes) -> None:
        """Parse alone."""
        self._parser.parse(body)

    def translate(self, body: bytes) -> None:
        """Parse and translate; only parse, where no dialect knows the page."""
        page = self._whole.parse(body)
        if self._translator:
            self._translator.translate(page)


def read_by_peer(body: bytes) -> None:
    """Read a page as users of prometheus_client do."""
    for family in text_string_to_metric_families(body.decode()):
        for _ in family.samples:
            pass


def read_at_first_sight(body: bytes) -> None:
    """Read a page of a server that was never seen before."""
    Parser().parse(body)


def numbers(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line as (everything before its number, its number); comments have none."""
    for line in text.splitlines():
        head, _, number = line.rpartition(" ")
        yield (line, "") if line.startswith("#") else (head, number)


def scrapes(first: str, second: str = "") -> list[bytes]:
    """Return pages of which the numbers go on as they went from the first to the second, or all of them grow."""
    later = dict(numbers(second))
    lines = [(head, number, later.get(head, number)) for head, number in numbers(first)]
    return [
        "".join(f"{head} {_gone_on(old, new, step, grow=not second)}\n" for head, old, new in lines).encode()
        for step in range(VARIANTS)
    ]


def _gone_on(old: str, new: str, step: int, *, grow: bool) -> str:
    if not old or (old == new and not grow):
        return old
    return repr(float(old) + (1.0 if grow else float(new) - float(old)) * step)


@dataclass
class Figures:
    """Processor seconds of every scrape, for each way of reading it."""

    peer: list[float] = field(default_factory=list)
    first_sight: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def timed(way: Callable[[bytes], None], body: bytes) -> float:
    """Return the processor seconds of one call."""
    before = time.process_time()
    way(body)
    return time.process_time() - before


def measure(bodies: Sequence[bytes], servers: int, rounds: int) -> Figures:
    """Scrape each of so many servers once a round."""
    figures = Figures()
    fleet = [Server(number, bodies[0]) for number in range(servers)]
    pages = itertools.cycle(bodies)
    for body, _ in zip(pages, range(rounds + 2), strict=False):
        for server in fleet:
            figures.peer.append(timed(read_by_peer, body))
            figures.first_sight.append(timed(read_at_first_sight, body))
            figures.again.append(timed(server.read, body))
            figures.whole.append(timed(server.translate, body))
    for times in (figures.peer, figures.first_sight, figures.again, figures.whole):
        del times[: 2 * servers]  # everything is new to the first of them
    return figures


def row(name: str, bodies: Sequence[bytes], figures: Figures, servers: int) -> str:
    """Return one line of a table."""
    peer, first, again, whole = (
        statistics.median(times) for times in (figures.peer, figures.first_sight, figures.again, figures.whole)
    )
    size = statistics.mean(map(len, bodies))
    speed = "".join(f"{size / seconds / 1e6:>9.1f}{seconds * 1e6:>9.0f}" for seconds in (peer, first, again, whole))
    share = 100 * servers * whole / INTERVAL_SECONDS
    return (
        f"{name:34}{size / 1e3:>8.0f}{speed}{peer / first:>9.1f}{peer / again:>9.1f}{peer / whole:>9.1f}{share:>9.2f}"
    )


HEAD = (
    f"{'':34}{'':8}{PEER:>18}{'ours, first sight':>18}{'ours, again':>18}{'and translated':>18}{'times as fast':>27}{'CPU of':>9}\n"
    f"{'':34}{'kB':>8}{'MB/s     µs':>18}{'MB/s     µs':>18}{'MB/s     µs':>18}{'MB/s     µs':>18}"
    f"{'first':>9}{'again':>9}{'whole':>9}{'a core %':>9}"
)


def speed_table(captures: Path, fleets: Sequence[int], rounds: int) -> Iterator[str]:
    """Yield the lines of the first two tables."""
    yield HEAD
    bodies = scrapes(*((captures / name).read_text(encoding="utf-8") for name in VLLM))
    for servers in fleets:
        yield row(f"vLLM, {servers} servers", bodies, measure(bodies, servers, max(rounds // servers, 10)), servers)
    for pattern in LARGE:
        largest = max(captures.glob(pattern), key=lambda path: path.stat().st_size, default=None)
        if largest is None:
            yield f"{pattern}: not among the captures"
            continue
        bodies = scrapes(largest.read_text(encoding="utf-8"))
        yield row(largest.relative_to(captures).parts[0], bodies, measure(bodies, 1, 10), 1)
    yield f"CPU of a core: a scrape of every server each {INTERVAL_SECONDS:g} s, parsed and translated."


def resident() -> float:
    """Memory resident for this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBI


def memory_table(captures: Path, count: int) -> Iterator[str]:
    """Yield the lines of the third table. Translating what is new each time is slow, so there is less of that."""
    steady = scrapes(*((captures / name).read_text(encoding="utf-8") for name in VLLM))
    renewed = steady[0].replace(b'model_name="', b'model_name="%d-')
    yield f"{'RSS in MiB':34}{'scrapes':>9}{'1 %':>9}{'10 %':>9}{'50 %':>9}{'100 %':>9}{'ms/scrape':>11}"
    yield _memory("the same series, read", Server(0, steady[0]).read, lambda n: steady[n % VARIANTS], count)
    yield _memory("the same series, translated", Server(0, steady[0]).translate, lambda n: steady[n % VARIANTS], count)
    yield _memory("new series, read", Server(0, steady[0]).read, lambda n: renewed.replace(b"%d-", b"%d-" % n), count)
    yield _memory(
        "new series, translated",
        Server(0, steady[0]).translate,
        lambda n: renewed.replace(b"%d-", b"%d-" % n),
        count // 20,
    )


def _memory(name: str, scrape: Callable[[bytes], None], page: Callable[[int], bytes], count: int) -> str:
    """Return one line of that table."""
    marks = {count // 100, count // 10, count // 2, count}
    found = []
    before = time.process_time()
    for number in range(1, count + 1):
        scrape(page(number))
        if number in marks:
            found.append(resident())
    each = 1e3 * (time.process_time() - before) / count
    return f"{name:34}{count:>9}" + "".join(f"{mebibytes:>9.1f}" for mebibytes in found) + f"{each:>11.2f}"


def filled(unit: bytes, lines: int, start: bytes = b"%d", end: bytes = b"", size: int = 16 * MEBI) -> bytes:
    """Return a page of so many bytes in so many lines, no two of which are the same: `start` takes their number."""
    repeated = unit * (size // lines // len(unit) - 20) + end + b"\n"
    return b"".join(start % number + repeated for number in range(lines))


def hostile_table() -> Iterator[str]:
    """Yield the lines of the fourth table."""
    harmless = b"".join(b'a{engine="%d",le="%d",pad="%s"} %d\n' % (n % 8, n, b"x" * 300, n) for n in range(50_000))
    labels = b",".join(b'l%d="%d"' % (number, number) for number in range(830))
    pages = {
        "harmless, all of it new": harmless,
        "one line": filled(b"a", 1),
        "as many lines as there may be": b"".join(b"a%d 1\n" % number for number in range(50_000)),
        "too many lines": b"a 1\n" * 4 * MEBI,
        "as many labels as there may be": b"".join(b"a%d{%s} 1\n" % (number, labels) for number in range(300)),
        "too many labels": filled(b'a="",', 300, b"a%d{", b"} 1"),
        "escapes": filled(rb"\n", 300, b'a%d{b="', b'"} 1'),
        "escapes without an end": filled(rb"\n", 300, b'a%d{b="', b"} 1"),
        "spaces": filled(b" ", 300, b"a%d", b"x"),
        "digits": filled(b"9", 300, b"a%d "),
        "no UTF-8": filled(b"\xff", 300),
    }
    yield f"{'pages made to be slow':34}{'MB':>8}{'ms':>9}{'of the harmless one':>21}"
    reference = timed(_attempt, harmless)
    for name, body in pages.items():
        seconds = timed(_attempt, body)
        yield f"{name:34}{len(body) / 1e6:>8.1f}{seconds * 1e3:>9.0f}{seconds / reference:>21.2f}"


def _attempt(body: bytes) -> None:
    try:
        Parser().parse(body)
    except ScrapeFailure:
        return


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=Path, default=SAMPLES, help="folder of real pages (%(default)s)")
    parser.add_argument(
        "--servers", type=int, nargs="+", default=[1, 8, 32], metavar="N", help="fleet sizes (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=320, help="scrapes of each fleet (%(default)s)")
    parser.add_argument("--scrapes", type=int, default=10_000, help="scrapes of the memory table (%(default)s)")
    args = parser.parse_args()
    for table in (
        memory_table(args.captures, args.scrapes),
        speed_table(args.captures, args.servers, args.rounds),
        hostile_table(),
    ):
        for line in table:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
