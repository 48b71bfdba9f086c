"""What a scrape asks for is understood, and nothing in a header costs it its page."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.web.negotiate import accepts_gzip, scrape_seconds, wants_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
headers = st.one_of(
    st.text(st.characters(max_codepoint=255)),
    st.lists(
        st.sampled_from([
            "application/openmetrics-text", "text/plain", "*/*", "text/*", "gzip", "*", "identity", ";q=0", ";q=1.5", ";q=x",
            ";version=1.0.0", ";version=0.0.1", ",", ";", "=", '"', " ",
        ]),
    ).map("".join),
)  # fmt: skip


@pytest.mark.parametrize(
    "accept",
    [PROMETHEUS_2, PROMETHEUS_3, "application/openmetrics-text", "application/openmetrics-text;version=1.0.0",
     "Application/OpenMetrics-Text; version=\"1.0.0\"", "application/openmetrics-text, */*",
     "text/plain;q=0.5, application/openmetrics-text;q=0.6", "application/openmetrics-text;q=0.2, text/plain;q=0.1, */*;q=0.9"],
)  # fmt: skip
def test_openmetrics_is_for_whoever_prefers_it(accept: str) -> None:
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", BROWSER, "text/plain", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "application/openmetrics-text;q=0",
     "application/openmetrics-text;version=2.0.0", "application/openmetrics-text;q=0.5,text/plain",
     "application/openmetrics-text;q=0.5, */*", "application/openmetrics-text;q=nonsense", "image/png",
     "application/openmetrics-text, text/plain"],
)  # fmt: skip
def test_everybody_else_gets_the_text_format(accept: str) -> None:
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize(
    "offer", ["gzip", "deflate, gzip;q=0.5", "br,gzip", "GZIP", "*", "*;q=0, gzip", "gzip ; q=0.1"]
)
def test_the_page_is_compressed_for_whoever_accepts_it(offer: str) -> None:
    assert accepts_gzip(offer)


@pytest.mark.parametrize("offer", ["", "identity", "gzip;q=0", "gzip; q=0.0", "x-gzipped", "*, gzip;q=0", "gzip;q=-1"])
def test_the_page_is_plain_for_everybody_else(offer: str) -> None:
    assert not accepts_gzip(offer)


@given(headers)
def test_no_header_is_too_wild(header: str) -> None:
    assert wants_openmetrics(header) in (True, False)
    assert accepts_gzip(header) in (True, False)
    seconds = scrape_seconds(header)
    assert seconds is None or seconds > 0


@given(st.floats())
def test_a_scrape_timeout_is_a_positive_number_or_nothing(seconds: float) -> None:
    sensible = math.isfinite(seconds) and seconds > 0
    assert scrape_seconds(repr(seconds)) == (seconds if sensible else None)
