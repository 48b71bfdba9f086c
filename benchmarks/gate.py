"""How often the gate is wrong, and how often it finds what is there: many simulated canaries.

Run by hand (`python -m benchmarks.gate`; about two minutes of one core), never by the test command. The world is that of the study of
detectors: lognormal latency (sigma 0.7) with 2 % of Pareto (1.8), a thousand requests a run, and noise of each run as a whole (its
logarithm is normal with the given standard deviation). All goes through `atlas_ops.gate`, as the command does it; beside it two tests
of pooled requests that people use, which the noise of runs fools.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.gate import FEWEST_RUNS, Verdict
from atlas_ops.gate.judge import judge
from atlas_ops.gate.metrics import Tolerances, standard
from atlas_ops.gate.runs import ERROR_SHARE, LATENCY, Reading, Run, timings

Floats = NDArray[np.float64]
CHANGES = {
    "none": (1.0, 1.0),
    "+5 %": (1.05, 1.0),
    "+10 %": (1.1, 1.0),
    "+20 %": (1.2, 1.0),
    "+50 %": (1.5, 1.0),
    "tail +50 %": (1.0, 1.5),
}
"""How much slower all requests, and those of the tail, become."""
REQUESTS = 1000
TOLERANCES = Tolerances()
METRICS = standard(TOLERANCES)


def requests(rng: np.random.Generator, noise: float, slower: float, tail: float) -> Floats:
    """Return the latencies of one run."""
    body = rng.lognormal(0.0, 0.7, REQUESTS)
    slow = rng.random(REQUESTS) < 0.02
    body[slow] = 3 * tail * (1 + rng.pareto(1.8, int(slow.sum())))
    return np.asarray(0.2 * slower * np.exp(rng.normal(0, noise)) * body)


def as_run(latencies: Floats, side: str) -> Run:
    """Return a run as a reader makes it."""
    readings = {**timings(LATENCY, latencies.tolist()), ERROR_SHARE: Reading(value=0.0, of=len(latencies))}
    return Run(name=side, tool="simulated", requests=len(latencies), readings=readings)


def gate(baseline: Sequence[Run], canary: Sequence[Run]) -> str:
    """Return the verdict after all runs."""
    return judge(baseline, canary, METRICS, TOLERANCES).verdict


def early(baseline: Sequence[Run], canary: Sequence[Run]) -> str:
    """Return the verdict as `--run` takes it: after each pair from the fifth on, with the number of runs on each side."""
    looks = len(baseline) - FEWEST_RUNS + 1
    for count in range(FEWEST_RUNS, len(baseline) + 1):
        verdict = judge(baseline[:count], canary[:count], METRICS, TOLERANCES, looks=looks).verdict
        if verdict is not Verdict.CANNOT_TELL:
            break
    return verdict


def pooled_p99(baseline: Floats, canary: Floats) -> str:
    """Return the verdict of the rule of thumb: the p99 of all requests is 10 % higher."""
    return "fail" if np.quantile(canary, 0.99) > 1.1 * np.quantile(baseline, 0.99) else "pass"


def rank_test(baseline: Floats, canary: Floats) -> str:
    """Return the verdict of a one-sided Mann-Whitney test of all requests at 1 % (normal approximation)."""
    ranks = np.argsort(np.argsort(np.concatenate([baseline, canary]))) + 1.0
    m, n = len(canary), len(baseline)
    u = ranks[n:].sum() - m * (m + 1) / 2
    return "fail" if (u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12) > 2.326 else "pass"


def trial(rng: np.random.Generator, runs: int, noise: float, change: tuple[float, float]) -> dict[str, str]:
    """Return what each method says of one canary."""
    old = [requests(rng, noise, 1.0, 1.0) for _ in range(runs)]
    new = [requests(rng, noise, *change) for _ in range(runs)]
    sides = [as_run(one, "baseline") for one in old], [as_run(one, "canary") for one in new]
    pools = np.concatenate(old), np.concatenate(new)
    return {
        "gate": gate(*sides), "gate, stops early": early(*sides),
        "pooled p99 > 1.1": pooled_p99(*pools), "pooled Mann-Whitney": rank_test(*pools),
    }  # fmt: skip


def main() -> None:
    """Print a table: share of fails, and for the gate of passes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--runs", type=int, nargs="+", default=[5, 8])
    args = parser.parse_args()
    print("| runs | noise | method |", " | ".join(CHANGES), "|\n|---|---|---|", "---|" * len(CHANGES), sep="")
    for runs in args.runs:
        for noise in (0.03, 0.06):
            said: dict[str, dict[str, Counter[str]]] = {}
            for number, (name, change) in enumerate(CHANGES.items()):
                rng = np.random.default_rng([8, runs, round(noise * 100), number])
                for _ in range(args.trials):
                    for method, verdict in trial(rng, runs, noise, change).items():
                        said.setdefault(method, {}).setdefault(name, Counter())[str(verdict)] += 1
            for method, by_change in said.items():
                cells = [
                    f"{c['fail'] / args.trials:.3g} fail, {c['pass'] / args.trials:.3g} pass"
                    for c in by_change.values()
                ]
                print(f"| {runs} | {noise:.0%} | {method} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
