"""NVML's return codes (`nvmlReturn_t`) and their texts, as far as the simulator uses them."""

from __future__ import annotations

SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
INSUFFICIENT_SIZE = 7
TIMEOUT = 10
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
ARGUMENT_VERSION_MISMATCH = 25
UNKNOWN = 999

_TEXTS = {
    SUCCESS: b"Success",
    UNINITIALIZED: b"Uninitialized",
    INVALID_ARGUMENT: b"Invalid Argument",
    NOT_SUPPORTED: b"Not Supported",
    NO_PERMISSION: b"Insufficient Permissions",
    NOT_FOUND: b"Not Found",
    INSUFFICIENT_SIZE: b"Insufficient Size",
    TIMEOUT: b"Timeout",
    FUNCTION_NOT_FOUND: b"Function Not Found",
    GPU_IS_LOST: b"GPU is lost",
    ARGUMENT_VERSION_MISMATCH: b"Argument version mismatch",
}


class Refused(Exception):
    """A call ends with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def text(code: int) -> bytes:
    """Return what `nvmlErrorString` says of a code."""
    return _TEXTS.get(code, b"Unknown Error")
