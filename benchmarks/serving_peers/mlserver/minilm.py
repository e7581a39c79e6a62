"""MiniLM as a runtime of MLServer's."""

from benchmark_model import Encoder
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringRequestCodec
from mlserver.types import InferenceRequest, InferenceResponse


class MiniLM(MLModel):
    async def load(self) -> bool:
        self._model = Encoder()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        texts = self.decode_request(payload, default_codec=StringRequestCodec)
        output = NumpyCodec.encode_output(name="probabilities", payload=self._model(texts))
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
