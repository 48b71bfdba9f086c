"""A web server on a port that is taken before anything else is started. Used by `cli.pager`."""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from atlas_ops import settings
from atlas_ops.errors import EnvironmentProblem

BACKLOG = 4096
"""Connections that may wait: a storm was measured to open thousands within two seconds."""
STOP_SECONDS = 3.0


@contextlib.contextmanager
def listening(listen: str) -> Iterator[socket.socket]:
    """Take the port of `--listen`; EnvironmentProblem when that cannot be."""
    host, port = settings.address(listen)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise EnvironmentProblem(
            f"{host} is no address of this machine: {error}", next_step="check --listen"
        ) from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(target)
            listener.listen(BACKLOG)
        except OSError as error:
            reason = (
                "is in use by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
            raise EnvironmentProblem(
                f"{listen} {reason}", next_step="stop that program, or give another --listen"
            ) from error
        yield listener


def address(listener: socket.socket) -> str:
    """Return the address that the port answers at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server(app: Starlette) -> uvicorn.Server:
    """Return the web server, which SIGTERM and Ctrl-C stop cleanly."""
    made = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            backlog=BACKLOG,
            lifespan="off",
            # Who asks is who has opened the connection; names that a proxy tells are believed by pager.access alone.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(STOP_SECONDS),
        )
    )

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        made.should_exit = True

    # uvicorn takes these signals while it runs, and raises them again afterwards: then ours lets us end with 0.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return made
