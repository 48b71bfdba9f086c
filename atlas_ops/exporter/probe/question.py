"""What is asked, for each API: where the request goes, and what stands in it.

Used by `prober`. The keys of `APIS` are those of the settings (`settings.servers.PROBE_APIS`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.probe import words
from atlas_ops.exporter.probe.outcome import ProbeFailure, Result
from atlas_ops.exporter.probe.tensors import MAX_ITEMS, WORD, Body, tfserving_body, v2_body
from atlas_ops.settings import Probe

MAX_TOKENS = 4
"""The first token comes from the prefill, the second shows that decoding works; and a first one may be half a character,
which is sent without text."""
MAX_BODY_BYTES = 8 * MAX_ITEMS
_JSON = "application/json"
_UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """How one API is asked. `{model}` in a path stands for the model's name."""

    path: str
    """Where requests go; empty: there is no usual place."""
    body: Callable[[Probe, object], Body]
    """Makes up a request from the model's metadata."""
    metadata_path: str = ""
    """Where the metadata are; empty: none are needed."""
    openai: bool = False
    """Whether tokens in OpenAI's form are the answer."""
    holds: tuple[str, ...] = ()
    """Keys of the answer, a JSON object: something has to stand under one of them. None: it may be anything but a web page."""
    takes_files: bool = False
    """Whether something else than JSON may be sent, such as a picture."""


def _completion(probe: Probe, _: object) -> Body:
    return _asking(probe, prompt=WORD)


def _chat(probe: Probe, _: object) -> Body:
    return _asking(probe, messages=[{"role": "user", "content": WORD}])


def _asking(probe: Probe, **prompt: object) -> Body:
    request = {
        "model": probe.model,
        **prompt,
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
        "user": c.PROBE_USER,
    }
    return Body(content=json.dumps(request).encode())


def _nothing(_: Probe, __: object) -> Body:
    return Body(content=b"{}")


APIS = {
    "openai": Api(path="/v1/completions", body=_completion, openai=True),
    "openai-chat": Api(path="/v1/chat/completions", body=_chat, openai=True),
    "v2": Api(
        path="/v2/models/{model}/infer",
        metadata_path="/v2/models/{model}",
        body=lambda _, metadata: v2_body(metadata),
        holds=("outputs", "text_output"),  # the second in Triton's extension for texts, /v2/models/NAME/generate
    ),
    "torchserve": Api(path="/predictions/{model}", body=_nothing, takes_files=True),
    "tfserving": Api(
        path="/v1/models/{model}:predict",
        metadata_path="/v1/models/{model}/metadata",
        body=lambda _, metadata: tfserving_body(metadata),
        holds=("outputs", "predictions", "results", "result"),  # the last two of :classify and :regress
    ),
    "bentoml": Api(path="", body=_nothing),
}


def path_of(probe: Probe) -> str:
    """Return where the request of a probe goes, below the address of the server."""
    return probe.path or _filled(APIS[probe.api].path, probe)


def metadata_path_of(probe: Probe) -> str:
    """Return where the metadata are that the request is made up from; empty when none are needed."""
    return "" if probe.body_file else _filled(APIS[probe.api].metadata_path, probe)


def body_of(probe: Probe, metadata: object) -> Body:
    """Return what is sent; ProbeFailure (`not_sent`) when the probe's own file, or the metadata, do not do."""
    api = APIS[probe.api]
    return _read(Path(probe.body_file), api) if probe.body_file else api.body(probe, metadata)


def _filled(path: str, probe: Probe) -> str:
    return path.replace("{model}", quote(probe.model, safe=""))


def _read(file: Path, api: Api) -> Body:
    """Read the file anew for each request, so that it can be mended without a restart."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise ProbeFailure(Result.NOT_SENT, f"body_file {file}: {error.strerror}") from None
    if len(content) > MAX_BODY_BYTES:
        raise ProbeFailure(Result.NOT_SENT, f"body_file {file}: larger than {MAX_BODY_BYTES} bytes")
    if api.takes_files and file.suffix != ".json":
        return Body(content=content, content_type=_UNKNOWN)
    if words.parse(content) is None:
        raise ProbeFailure(Result.NOT_SENT, f"body_file {file}: not JSON")
    return Body(content=content, content_type=_JSON)
