"""What the BentoML of the tests serves. Run by its own interpreter, which has BentoML and nothing of ours."""

from __future__ import annotations

import asyncio

import bentoml


@bentoml.service(workers=1, traffic={"timeout": 1.0, "max_concurrency": 8})
class Doubler:
    """Doubles a number, slowly if it is asked to."""

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML is not installed where types are checked
    async def double(self, number: int, seconds: float = 0.0) -> int:
        """Return twice the number after so many seconds."""
        await asyncio.sleep(seconds)
        if number < 0:
            raise ValueError(number)
        return 2 * number
