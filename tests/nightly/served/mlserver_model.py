"""For MLServer: works for as many seconds as the input says, and fails for a negative number."""

import asyncio

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Slow(MLModel):  # type: ignore[misc]
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        seconds = NumpyCodec.decode_input(payload.inputs[0])
        if seconds.min() < 0:
            raise RuntimeError("time does not go backwards")
        await asyncio.sleep(float(seconds.max()))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("seconds", seconds)])
