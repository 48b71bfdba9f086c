"""`python -m tests.nightly [NAME...]`: installs real model servers and runs their tests; `make test-servers` calls it.

The tests run in namespaces of their own (`unshare`, of util-linux). There is no network but loopback there: Ray Serve and
KServe listen on every address, and none of the servers shall ask anybody for anything. And when the run ends, however it
ends, the kernel ends every process that it started.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.nightly.install import RECIPES, install

ISOLATED = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> None:
    """Install what is asked for, then become the test run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.nightly", description="Test against heavy real model servers."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(RECIPES)}; all when none is given")
    names = parser.parse_args().names or list(RECIPES)
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in names:
        install(name)
    files = [f"tests/nightly/test_{name}.py" for name in names]
    pytest = [sys.executable, "-m", "pytest", "-vv", "--durations=0", *files]
    mapped = () if os.getuid() == 0 else ("--map-root-user",)
    script = 'ip link set lo up && "$@"; exit $?'
    os.execvp(ISOLATED[0], [*ISOLATED, *mapped, "sh", "-c", script, "sh", *pytest])


if __name__ == "__main__":
    main()
