"""`atlas-ops simulate`: a fleet of model servers and GPUs that does not exist, for demos, tests and trying out rules."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from atlas_ops import settings
from atlas_ops.errors import UsageError
from atlas_ops.simulator import Fleet, SimulatorServer, scenario_by_name
from atlas_ops.simulator.drivers import DEFAULT_DRIVER, DRIVERS
from atlas_ops.simulator.profiles import DEFAULT_PROFILE, PROFILES
from atlas_ops.simulator.trace import read_traces

DEFAULT_LISTEN = "127.0.0.1:9466"

_EPILOG = """\
Each model server answers /metrics in vLLM's own dialect on a port of its own, and a small request of OpenAI's API; what
neither servers nor GPUs tell (autoscaler, drift detectors) stands at /outside of the control address, which steers the fleet:
  curl http://127.0.0.1:9466/state                                what runs where
  curl -X POST 'http://127.0.0.1:9466/-/fault?active=true'        switch the scenario's fault on (or =false: off)
  curl -X POST 'http://127.0.0.1:9466/-/scenario?name=calm'       another scenario
  curl -X POST 'http://127.0.0.1:9466/-/xid?index=0&code=79&count=3'       GPU 0 reports an XID three times
  curl -X POST 'http://127.0.0.1:9466/-/gpu?index=0&condition=wedged'      every call about GPU 0 blocks
  (or condition=lost: every call is refused; condition=healthy: all as before)
The simulated GPUs are seen by `atlas-ops exporter --simulated-gpus http://127.0.0.1:9466`. What a GPU lacks, and
how its driver numbers the hardware's throttle counters, follows the real ones:
  GPUs     {profiles}
  drivers  {drivers}
           (counters of hardware thermal slowdown and power brake: from 575 on, with other numbers from 580.82 on)

examples:
  atlas-ops simulate                                                  two calm servers
  atlas-ops simulate --scenario kv_pressure --fault --replicas 4      four, and the fault is on
  atlas-ops simulate --gpu-profile h100-mig --driver 580.82           other GPUs, another driver

exit codes:
  0  stopped by Ctrl-C or SIGTERM
  2  the command line is wrong
  4  a port is in use
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "simulate",
        help="run a fleet of model servers and GPUs that does not exist",
        description="Run a fleet of model servers and GPUs that does not exist. The same seed gives the same course.",
        epilog=_EPILOG.format(
            profiles=", ".join(profile.name for profile in PROFILES),
            drivers=", ".join(driver.name for driver in DRIVERS),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help="control address (%(default)s)")
    parser.add_argument(
        "--scenario", default="calm", metavar="NAME", help="one of `atlas-ops demo --list` (%(default)s)"
    )
    parser.add_argument("--fault", action="store_true", help="begin with the scenario's fault switched on")
    parser.add_argument(
        "--replicas", type=int, default=2, metavar="N", help="model servers, one GPU each (%(default)s)"
    )
    parser.add_argument(
        "--gpu-profile", default=DEFAULT_PROFILE, metavar="NAME", help="kind of the GPUs, see below (%(default)s)"
    )
    parser.add_argument(
        "--driver", default=DEFAULT_DRIVER, metavar="NAME", help="NVIDIA driver of the GPUs, see below (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random (%(default)s)")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="simulated seconds a second (%(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="scenarios take this many times as long, such as 0.05 for the windows of the demo profile (%(default)s)",
    )
    parser.add_argument(
        "--traces",
        type=Path,
        metavar="DIR",
        help="let requests come as in a trace of this folder: Azure's LLM inference CSV, or Mooncake's JSON lines",
    )


def run(args: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM."""
    host, port = settings.address(args.listen)
    if args.replicas < 1 or args.speed < 0 or args.scale <= 0:
        raise UsageError(
            "--replicas has to be at least 1, --speed at least 0 and --scale above 0", next_step="give other numbers"
        )
    fleet = Fleet(
        scenario=scenario_by_name(args.scenario),
        seed=args.seed,
        replicas=args.replicas,
        started_at=time.time(),
        gpu_profile=args.gpu_profile,
        driver=args.driver,
        scale=args.scale,
        traces=read_traces(args.traces) if args.traces else (),
    )
    fleet.set_fault(active=args.fault)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with SimulatorServer(fleet, host=host, control_port=port, speed=args.speed) as server:
        for url in server.server_urls:
            print(f"model server  {url}/metrics", file=sys.stderr)
        print(f"control       {server.control_url}/state", file=sys.stderr, flush=True)
        stop.wait()
    return 0
