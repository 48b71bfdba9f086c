"""For KServe: works for as many seconds as the request says, and fails for a negative number. Takes KServe's own flags."""

import argparse
import asyncio
from typing import Any

import kserve


class Slow(kserve.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("slow")
        self.ready = True

    async def predict(
        self, payload: dict[str, Any], headers: Any = None, response_headers: Any = None
    ) -> dict[str, Any]:
        seconds = payload["instances"]
        if min(seconds) < 0:
            raise RuntimeError("time does not go backwards")
        await asyncio.sleep(max(seconds))
        return {"predictions": seconds}


if __name__ == "__main__":
    argparse.ArgumentParser(parents=[kserve.model_server.parser]).parse_args()
    kserve.ModelServer().start([Slow()])
