"""For Ray Serve: one replica that answers one request at a time. Arguments: the port of requests, the port of metrics."""

import sys
import time

import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=1, max_queued_requests=-1, ray_actor_options={"num_cpus": 0.1})
class Slow:
    async def __call__(self, request: Request) -> str:
        seconds = float((await request.json())["seconds"])
        if seconds < 0:
            raise RuntimeError("time does not go backwards")
        time.sleep(seconds)
        return "done"


if __name__ == "__main__":
    port, metrics_port = (int(word) for word in sys.argv[1:])
    ray.init(num_cpus=2, include_dashboard=False, _metrics_export_port=metrics_port)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    served = Slow.bind()  # type: ignore[attr-defined]  # the decorator gives it this method
    serve.run(served, name="slow", route_prefix="/", blocking=True)
