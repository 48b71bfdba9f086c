"""What a user's own model server imports, so that it is measured like every other runtime.

    from atlas_ops.instrument import Instrument

    ops = Instrument("resnet50")
    with ops.loading():
        session = ops.onnx(onnxruntime.InferenceSession("resnet50.onnx"))
    app.add_route("/metrics", ops.asgi_app())    # Starlette, FastAPI; elsewhere ops.serve("127.0.0.1:9470")

A server that answers more than by one run of a session says itself what a request is:

    with ops.request(user_agent=headers["user-agent"]) as request:
        with request.waiting():                  # counted as waiting, not as running
            await slots.acquire()
        for chunk in generate(prompt):
            request.first_token()                # the first call counts
            request.tokens(generated=chunk.tokens)
            yield chunk.text

What is in the requests is counted by a reference of `atlas-ops drift fit`, and is on the same page:

    features = ops.features("resnet50.json")     # FeatureCounter("resnet50.json") without an Instrument
    features.count(width=640, tenant="acme", prediction="cat", confidence=0.93)

Everything else goes through OpenTelemetry's metrics: through the provider of the server where it has set one, else to a page
of our own. The dialect `exporters/onnxruntime.yaml` reads these names. Each process has an `Instrument` and a page of its
own, so a server of several workers behind one port shows one of them at a time.
"""

from __future__ import annotations

try:
    from atlas_ops.instrument.features import FeatureCounter
    from atlas_ops.instrument.instrument import Instrument
except ModuleNotFoundError as error:
    error.add_note("atlas_ops.instrument needs OpenTelemetry's packages: pip install 'atlas-ops[instrument]'")
    raise
from atlas_ops.instrument.outcome import Ended, Outcome
from atlas_ops.instrument.page import Serving
from atlas_ops.instrument.request import Request

__all__ = ["Ended", "FeatureCounter", "Instrument", "Outcome", "Request", "Serving"]
