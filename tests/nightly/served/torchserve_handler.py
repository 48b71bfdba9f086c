"""For TorchServe: works for as many seconds as the request says, and fails for a negative number."""

import time
from typing import Any


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[str] | None:
    """TorchServe calls it once without data when the worker starts."""
    if not data:
        return None
    return [work(float(row["body"]["seconds"])) for row in data]


def work(seconds: float) -> str:
    if seconds < 0:
        raise RuntimeError("time does not go backwards")
    time.sleep(seconds)
    return "done"
