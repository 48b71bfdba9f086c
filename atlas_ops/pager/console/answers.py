"""How the console answers: pages with the headers that keep a browser from doing what no page of ours needs."""

from __future__ import annotations

from starlette.responses import HTMLResponse, RedirectResponse, Response

_HEADERS = {
    # Forms go to ourselves alone; a script is read from ourselves alone, and none is written into a page.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Other sites are told nothing; our own forms need the origin to be told to us.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Drawings style themselves. They are shown inside a page as pictures, where no script of theirs would run either.
_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def page(html: str, status: int = 200) -> Response:
    """Return a page."""
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def elsewhere(path: str) -> Response:
    """Send the browser to another page of ours, with GET."""
    return RedirectResponse(path, status_code=303, headers=_HEADERS)


def picture(svg: bytes) -> Response:
    """Return a drawing."""
    return Response(svg, media_type="image/svg+xml", headers={**_HEADERS, "Content-Security-Policy": _PICTURE})


def file(text: str, kind: str) -> Response:
    """Return a file that changes with a new version alone."""
    return Response(text, media_type=kind, headers={**_HEADERS, "Cache-Control": "max-age=3600"})
