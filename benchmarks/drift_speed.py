"""How fast drift is looked for, and in how much memory, beside scipy, alibi-detect and Evidently: the same rows, one run.

Run by hand. Each subject is a process of its own, in its own environment (`--peer scipy=/path/to/python`), which compares 100,000
live rows of 20 numbers with 100,000 of a reference, several times; what each needs once (reading the reference, fitting) is not
counted. The figure is processor time, which other work on the machine changes least. Last, a billion values are counted here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

ROWS, FEATURES, ROUNDS = 100_000, 20, 5
_COMMON = f"""
import json, resource, statistics, time
import numpy as np
chance = np.random.default_rng(1)
reference, live = chance.normal(size=({ROWS}, {FEATURES})), chance.normal(size=({ROWS}, {FEATURES}))
def measure(work):
    spent = []
    for _ in range({ROUNDS}):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({{"seconds": statistics.median(spent), "mebibytes": peak}}))
"""
_OURS = """
import pyarrow as pa
from atlas_ops.detect.distances import distances, smoothed
from atlas_ops.detect.features import numeric
from atlas_ops.drift.counting import Counting, merge
names = [f"f{place:02d}" for place in range(reference.shape[1])]
features = tuple(numeric(name, column) for name, column in zip(names, reference.T))
counting = Counting(features=features)
def counted(rows):
    batch = pa.record_batch({name: column for name, column in zip(names, rows.T.copy())})
    return counting.totals(merge(counting.count(batch.slice(at, 65_536)) for at in range(0, len(rows), 65_536)))
shares = {name: smoothed(counts) for name, counts in counted(reference).items()}
"""
_SUBJECTS = {
    "atlas-ops: counts, then PSI, KS, chi-square, JS": f"""{_OURS}
measure(lambda: [distances(counts, shares[name]) for name, counts in counted(live).items()])
""",
    "scipy: ks_2samp": """
from scipy.stats import ks_2samp
measure(lambda: [ks_2samp(reference[:, place], live[:, place]) for place in range(reference.shape[1])])
""",
    "alibi-detect: KSDrift": """
from alibi_detect.cd import KSDrift
detector = KSDrift(reference, p_val=0.05)
measure(lambda: detector.predict(live))
""",
    "evidently: DataDriftPreset, KS": """
import pandas as pd
from evidently import Dataset, DataDefinition, Report
from evidently.presets import DataDriftPreset
names = [f"f{place:02d}" for place in range(reference.shape[1])]
frames = [Dataset.from_pandas(pd.DataFrame(rows, columns=names), DataDefinition(numerical_columns=names)) for rows in (live, reference)]
measure(lambda: Report([DataDriftPreset(num_method="ks")]).run(*frames))
""",
}
_BILLION = f"""{_OURS}
import os, sys
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
batch = pa.record_batch({{name: column for name, column in zip(names, live[:65_536].T.copy())}})
each = batch.num_rows * len(names)
first, total = resident(), 0
def batches():
    global total
    while total < int(sys.argv[1]):
        yield counting.count(batch)
        total += each
began = time.process_time()
merged = merge(batches())
spent = time.process_time() - began
assert merged.counts.sum() == total
print(json.dumps({{"values": total, "seconds": spent, "before": first, "after": resident()}}))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table of Markdown; a peer that fails is a line that says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="scipy, alibi-detect or evidently, and its python",
    )
    parser.add_argument("--values", type=int, default=10**9, help="how many are counted in the end (%(default)s)")
    args = parser.parse_args(argv)
    pythons = dict(one.split("=", 1) for one in args.peer)
    print(
        f"| {ROWS:,} rows of {FEATURES} numbers against {ROWS:,} | processor time | live values a second | peak memory |"
    )
    print("|---|---|---|---|")
    for title, program in _SUBJECTS.items():
        name = title.split(":")[0]
        python = sys.executable if name == "atlas-ops" else pythons.get(name)
        print(_line(title, _ran(python, program) if python else "not given"), flush=True)
    found = _ran(sys.executable, _BILLION, str(args.values))
    if isinstance(found, str):
        print(found)
        return 1
    speed = found["values"] / found["seconds"] / 1e6
    print(
        f"\n{found['values']:,.0f} values counted in {found['seconds']:.0f} s of one core ({speed:.0f} M a second); "
        f"memory {found['before']:.0f} MiB before, {found['after']:.0f} MiB after"
    )
    return 0


def _ran(python: str, program: str, *words: str) -> dict[str, float] | str:
    """Return what a program printed, or why it did not."""
    done = subprocess.run([python, "-c", _COMMON + program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _line(title: str, found: dict[str, float] | str) -> str:
    if isinstance(found, str):
        return f"| {title} | {found} | | |"
    speed = ROWS * FEATURES / found["seconds"] / 1e6
    return f"| {title} | {found['seconds'] * 1000:,.0f} ms | {speed:.1f} M | {found['mebibytes']:,.0f} MiB |"


if __name__ == "__main__":
    sys.exit(main())
