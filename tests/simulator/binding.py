"""The real binding, nvidia-ml-py, over a library in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pynvml


@contextmanager
def bound(library: object) -> Iterator[None]:
    """Let the binding use a library, initialised; everything is put back at the end."""
    before = pynvml.nvmlLib
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()
    try:
        pynvml.nvmlInit()
        yield
    finally:
        pynvml.nvmlLib = before
        pynvml._nvmlGetFunctionPointer_cache.clear()
        pynvml._nvmlLib_refcount = 0


def code(ask: Callable[[], object]) -> int:
    """Return NVML's code for a question: 0 when it is answered."""
    try:
        ask()
    except pynvml.NVMLError as error:
        return int(error.value)
    return 0
