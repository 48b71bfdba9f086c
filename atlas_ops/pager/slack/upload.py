"""Puts the bytes of a file to the address that Slack gave for them. Called by `pager.slack.client`."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request


def put(url: str, content: bytes, seconds: float) -> str:
    """Upload; return what went wrong, empty when nothing did. The address is a secret: it is in no text."""
    if not url.startswith(("https://", "http://")):
        return "Slack gave no address for it"
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=content, method="POST", headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
    return ""
