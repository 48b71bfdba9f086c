"""Reads the body of a request, no more of it than is wanted and no longer than it may take. Used by whatever takes a POST."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

SECONDS = 30.0
"""A body that has not come by then is not coming; Alertmanager itself gives up earlier."""


class TooLargeError(Exception):
    """The body is larger than its limit."""


async def read(request: Request, most: int) -> bytes:
    """Return the body; TooLargeError above `most` bytes, whatever its Content-Length says; TimeoutError, ClientDisconnect.

    What is left of it then is read and thrown away by uvicorn, so that its sender sees our answer and no reset.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise TooLargeError
    body = bytearray()
    async with asyncio.timeout(SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooLargeError
    return bytes(body)
