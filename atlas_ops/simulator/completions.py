"""The answer of a simulated server to a small request of an OpenAI client: the black-box probe's, as an effect says.

Called by `simulator.model_server`.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from atlas_ops.simulator.listener import Answer, refusal

PATHS = ("/v1/completions", "/v1/chat/completions")
HANGING = "timeout"
"""The result that comes of no answer at all."""
_STREAM = "text/event-stream"
_DONE = "data: [DONE]\n\n"


def completion(result: str) -> Answer | None:
    """Return what makes a probe end with a result (`conventions.PROBE_RESULTS`; empty: `ok`); None: no answer, just the end.

    `timeout` is the caller's: it has to keep the client waiting.
    """
    return _ANSWERS[result or "ok"]


def _event(**choice: object) -> str:
    return f"data: {json.dumps({'id': 'cmpl-0', 'choices': [{'index': 0, **choice}]})}\n\n"


def _stream(*events: str) -> Answer:
    return Answer(body="".join(events), content_type=_STREAM)


# Both APIs in one: `text` is that of completions, `delta` that of chats.
_TOKEN = _event(text=" yes", delta={"content": " yes"}, finish_reason=None)
_LAST = _event(text=" sir", delta={"content": " sir"}, finish_reason="length")
_NOTHING = _event(text="", delta={}, finish_reason="stop")
_ERROR = f"data: {json.dumps({'error': {'message': 'EngineCore encountered an issue.', 'code': 500}})}\n\n"
_ANSWERS: dict[str, Answer | None] = {
    "ok": _stream(_TOKEN, _LAST, _DONE),
    # The port cannot be closed for one client alone: this ends as `unreachable`, which is as bad.
    "refused": None,
    "unreachable": None,
    "unauthorized": refusal(HTTPStatus.UNAUTHORIZED, "a token is missing"),
    "error_status": refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the engine is dead"),
    "error_in_answer": _stream(_ERROR, _DONE),
    "truncated": _stream(_TOKEN),
    "empty": _stream(_NOTHING, _DONE),
    "garbage": Answer(body="all is well\n", content_type="text/plain"),
    HANGING: None,
    # The probe's own fault; the server does nothing wrong.
    "not_sent": _stream(_TOKEN, _LAST, _DONE),
}
