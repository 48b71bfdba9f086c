"""Reads the forms that the console's pages send. Called by `console.routes`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from atlas_ops.errors import AtlasError
from atlas_ops.pager import body

MOST_BYTES = 16 * 1024
_FIELDS = 20
_KIND = "application/x-www-form-urlencoded"

Form = Mapping[str, str]


class BadForm(AtlasError):
    """What came is no form of ours; `status` is how to answer it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def read(request: Request) -> Form:
    """Return the fields of a form; BadForm when it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise BadForm(f"expected a form ({_KIND})", 415)
    try:
        content = await body.read(request, MOST_BYTES)
        fields = parse_qsl(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except body.TooLargeError:
        raise BadForm(f"the form is larger than {MOST_BYTES} bytes", 413) from None
    except TimeoutError:
        raise BadForm("the form did not arrive in time", 408) from None
    except ClientDisconnect:
        raise BadForm("the browser went away", 400) from None
    except ValueError:
        raise BadForm("this is no form", 400) from None
    return dict(fields)
