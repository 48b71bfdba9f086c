"""What must not be possible with the pager's pages: each attempt is refused, noted in the log, and learns nothing."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.requests import Request

from atlas_ops.pager.access import forgery
from atlas_ops.pager.access.gate import FORM_COOKIE, SESSION_COOKIE, Public
from atlas_ops.pager.access.proxy import Proxy
from atlas_ops.pager.access.session import SECONDS, Sessions
from atlas_ops.pager.access.throttle import MOST_FAILURES
from atlas_ops.pager.access.token import Token
from atlas_ops.pager.console.forms import MOST_BYTES
from atlas_ops.pager.scrub import scrub_name
from tests.pager.console_rig import SECRET, Scene, hidden, key, scene
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, body

PAGES = ("/", "/history", "/noise", "/incidents/{}", "/incidents/{}/chart.svg", "/runbooks", "/runbooks/QueueBacklog")
BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def pager(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Scene]:
    """A pager that has to be logged in to, with one incident."""
    caplog.set_level(logging.INFO)
    with scene(tmp_path, token=True) as served:
        yield served
    assert SECRET not in caplog.text


def acknowledged(pager: Scene, incident: str) -> str:
    work = pager.store.incidents.work(incident)
    assert work is not None
    return work.incident.headline.acknowledged_by


# --- the token --------------------------------------------------------------------------------------------------------


def test_without_a_login_no_page_tells_anything_and_no_form_does_anything(pager: Scene) -> None:
    found = pager.hear(alert(model="secret-model"))
    for address in PAGES:
        answer = pager.client.get(address.format(found))
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login?next=%2F")
        assert "secret-model" not in answer.text
    for address in ("deeds", "diagnosis"):
        answer = pager.client.post(f"/incidents/{found}/{address}", data={"act": "acknowledge", "key": key()})
        assert answer.status_code == 401
    assert acknowledged(pager, found) == ""


def test_what_machines_need_is_there_without_a_login(pager: Scene) -> None:
    assert pager.client.post("/webhook", content=body(alert())).status_code == 200
    for address in ("/metrics", "/-/healthy", "/-/ready", "/style.css", "/copy.js", "/login"):
        answer = pager.client.get(address)
        assert answer.status_code == 200
        assert "llama" not in answer.text


def test_who_logs_in_comes_to_the_page_that_was_wanted_and_is_named_beside_what_is_done(pager: Scene) -> None:
    found = pager.hear(alert())
    wanted = pager.client.get(f"/incidents/{found}").headers["Location"]
    form = hidden(pager.client.get(wanted).text)
    answer = pager.client.post("/login", data={**form, "name": "jane@example.org", "token": SECRET})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/incidents/{found}")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    pager.press(found, "acknowledge", who="Somebody Else")
    assert acknowledged(pager, found) == "jane"


def test_a_cookie_goes_over_tls_alone_where_the_pager_is_reached_by_it(tmp_path: Path) -> None:
    with scene(tmp_path, token=True, external="https://pager.example.org") as pager:
        assert "Secure" in pager.client.get("/login").headers["Set-Cookie"]


def test_after_logging_out_the_browser_has_to_log_in_again(pager: Scene) -> None:
    assert pager.log_in().status_code == 303
    form = hidden(pager.page("/"))
    assert pager.client.post("/logout", data=form).status_code == 303
    assert pager.client.get("/").status_code == 303


@pytest.mark.parametrize("token", ["", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), "\x00", "é" * 20])
def test_a_wrong_token_is_refused_noted_and_not_repeated(
    pager: Scene, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = pager.log_in(token=token)
    assert answer.status_code == 401
    assert SESSION_COOKIE not in answer.cookies
    assert pager.client.get("/").status_code == 303
    assert "wrong token" in caplog.text
    assert not token.strip() or token not in answer.text.replace("<", " ")


def test_a_script_shows_the_token_itself_and_needs_no_form(pager: Scene) -> None:
    found = pager.hear(alert())
    assert pager.client.get("/", headers=BEARER).status_code == 200
    form = {"act": "acknowledge", "key": key()}
    assert pager.client.post(f"/incidents/{found}/deeds", data=form, headers=BEARER).status_code == 200
    assert acknowledged(pager, found) == "a script"
    refused = pager.client.get("/", headers={"Authorization": "Bearer wrong"})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_who_guesses_has_to_wait_and_is_not_told_when_a_guess_was_right(pager: Scene) -> None:
    for number in range(MOST_FAILURES):
        assert pager.log_in(token=f"guess-{number}").status_code == 401
    answer = pager.log_in()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60
    assert pager.client.get("/", headers=BEARER).status_code == 429


def test_a_forged_or_altered_or_old_session_is_none(pager: Scene) -> None:
    now = time.time()
    good = Sessions(Token(SECRET)).issue("Jane", now)
    told, _, signature = good.partition(".")
    document = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))
    other = base64.urlsafe_b64encode(json.dumps({**document, "name": "Root"}).encode()).decode().rstrip("=")
    forged = (
        f"{other}.{signature}",
        f"{told}.",
        f"{told}.{signature[:-2]}AA",
        told,
        ".",
        "",
        "a.b",
        "é.é",
        f"{told}.{signature}.{signature}",
        Sessions(Token("another-token-of-this-length")).issue("Jane", now),
        Sessions(Token(SECRET)).issue("Jane", now - SECONDS),
        "A" * 4000,
    )
    for cookie in forged:
        headers = {b"Cookie": f"{SESSION_COOKIE}={cookie}".encode()}
        assert pager.client.get("/", headers=headers).status_code == 303, cookie
    assert pager.client.get("/", headers={"Cookie": f"{SESSION_COOKIE}={good}"}).status_code == 200


@given(st.text(max_size=200))
@hypothesis_settings(max_examples=200)
def test_no_text_is_a_session(cookie: str) -> None:
    assert Sessions(Token(SECRET)).name(cookie, time.time()) is None


@given(st.text(st.characters() | st.sampled_from("\N{FIRE}"), min_size=1, max_size=100))
@example("\N{FIRE}" * 100)
def test_whoever_logs_in_is_known_again_whatever_their_name_is(name: str) -> None:
    shown = scrub_name(name)
    assert Sessions(Token(SECRET)).name(Sessions(Token(SECRET)).issue(shown, time.time()), time.time()) == shown


# --- where one is led -------------------------------------------------------------------------------------------------

ELSEWHERE = (
    "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\tevil.example",
    "javascript:alert(1)", "http:evil.example", "/%0d%0aSet-Cookie:x=1\r\nX: y", " //evil.example", "evil.example", "",
    "https:///evil.example", "/../../etc", "/\x00", "http://[", "/" + "a" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_after_a_login_one_is_led_to_the_pagers_own_pages_alone(pager: Scene, target: str) -> None:
    form = {**hidden(pager.client.get("/login").text), "name": "Jane", "token": SECRET, "next": target}
    answer = pager.client.post("/login", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert pager.client.get("/login", params={"next": target}).headers["Location"] == "/"


def test_a_path_of_ones_own_is_kept(pager: Scene) -> None:
    form = {**hidden(pager.client.get("/login").text), "name": "Jane", "token": SECRET}
    answer = pager.client.post("/login", data={**form, "next": "/history?fault=A&text=a%20b"})
    assert answer.headers["Location"] == "/history?fault=A&text=a%20b"


# --- forms of others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [True, False])
def test_a_form_that_is_not_ours_changes_nothing(tmp_path: Path, token: bool, caplog: pytest.LogCaptureFixture) -> None:
    with scene(tmp_path, token=token) as pager:
        found = pager.hear(alert())
        if token:
            pager.log_in()
        ours = {**hidden(pager.page(f"/incidents/{found}")), "act": "acknowledge"}
        port = pager.client.base_url.port or 0
        foreign: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
            ({**ours, "mark": ""}, {}),
            ({**ours, "mark": "0" * 64}, {}),
            ({name: value for name, value in ours.items() if name != "mark"}, {}),
            (ours, {"Origin": "https://evil.example"}),
            (ours, {"Origin": "null"}),
            (ours, {"Origin": f"http://127.0.0.1:{port + 1}"}),
            (ours, {"Origin": f"http://127.0.0.1:{port}.evil.example"}),
            (ours, {"Sec-Fetch-Site": "cross-site"}),
            (ours, {"Sec-Fetch-Site": "same-site"}),
        )
        for form, headers in foreign:
            for address in (f"/incidents/{found}/deeds", f"/incidents/{found}/diagnosis", "/logout"):
                assert pager.client.post(address, data=form, headers=headers).status_code == 403
        assert acknowledged(pager, found) == ""
        assert "does not come from our page" in caplog.text
        headers = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
        assert pager.client.post(f"/incidents/{found}/deeds", data=ours, headers=headers).status_code == 303
        assert acknowledged(pager, found)


def test_the_mark_of_one_person_is_of_no_use_to_another(pager: Scene) -> None:
    found = pager.hear(alert())
    pager.log_in("Jane")
    marked = hidden(pager.page(f"/incidents/{found}"))
    pager.log_in("Mallory")
    answer = pager.client.post(f"/incidents/{found}/deeds", data={**marked, "act": "acknowledge"})
    assert answer.status_code == 303, "logged in already: the second login was not asked for"
    pager.client.cookies.delete(SESSION_COOKIE)
    pager.log_in("Mallory")
    answer = pager.client.post(f"/incidents/{found}/deeds", data={**marked, "act": "acknowledge"})
    assert answer.status_code == 403


def test_a_cookie_that_another_site_could_have_set_is_not_enough(tmp_path: Path) -> None:
    with scene(tmp_path) as pager:
        found = pager.hear(alert())
        pager.client.cookies.set(FORM_COOKIE, "chosen")
        form = {**hidden(pager.page(f"/incidents/{found}")), "act": "acknowledge"}
        headers = {"Cookie": f"{FORM_COOKIE}=chosen"}
        assert pager.client.post(f"/incidents/{found}/deeds", data=form, headers=headers).status_code == 403


def test_another_name_that_leads_to_this_machine_is_not_the_pagers(tmp_path: Path) -> None:
    with scene(tmp_path) as pager:
        pager.hear(alert())
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:80"):
            answer = pager.client.get("/", headers={"Host": host})
            assert answer.status_code == 421
            assert "llama" not in answer.text
        for host in ("localhost:1234", "127.0.0.1", "[::1]:9465", "pager.test"):
            assert pager.client.get("/", headers={"Host": host}).status_code == 200


# --- bodies and paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/login", "/incidents/{}/deeds"])
def test_a_form_that_is_too_large_or_none_is_refused_and_the_next_good_one_works(pager: Scene, address: str) -> None:
    target = address.format(pager.hear(alert()))
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({} if target == "/login" else BEARER)

    def post(content: bytes | Iterator[bytes], **more: str) -> int:
        return pager.client.post(target, content=content, headers={**headers, **more}).status_code

    assert post(b"a=" + b"x" * MOST_BYTES) == 413
    assert post(iter([b"a=", b"x" * MOST_BYTES])) == 413, "without a Content-Length"
    assert post(b"&".join(b"a=1" for _ in range(100))) == 400
    assert post(b"a=%ff") == 400
    assert post(b"\xff\xfe=1") == 400
    assert post(b"{}", **{"Content-Type": "application/json"}) == 415
    assert post(b"", **{"Content-Type": "multipart/form-data; boundary=x"}) == 415
    assert pager.log_in().status_code == 303


def test_no_address_writes_its_own_lines_or_colours_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scene(tmp_path, token=False) as pager:
        odd = "/incidents/%1b%5b31mall%0ais%0dwell%c2%9b/deeds"
        assert pager.client.post(odd, data={"act": "x"}).status_code == 403
        assert pager.client.post(odd, content=b"{}").status_code == 415
    assert caplog.text.count("/incidents/") == 2
    assert not [record for record in caplog.records if re.search(r"[\x00-\x1f\x7f-\x9f]", record.getMessage())]


@pytest.mark.parametrize(
    "path",
    [
        "/runbooks/..%2f..%2fpager.db", "/runbooks/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/runbooks/%2fetc%2fpasswd",
        "/runbooks/QueueBacklog.md", "/runbooks/capacity%2fQueueBacklog", "/incidents/..%2fmetrics", "/..%2fstyle.css",
        "/static/style.css", "/templates/base.html", "/style.css/..%2f..%2fapp.py", "/incidents/%00", "/runbooks/%00",
        "/incidents/'%20OR%20'1'='1", "/runbooks/%ff%fe",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_pages(pager: Scene, path: str) -> None:
    address = httpx.URL(str(pager.client.base_url) + path)
    answer = pager.client.get(address, headers=BEARER)
    assert answer.status_code == 404
    assert "SQLite" not in answer.text
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text


# --- names that a proxy tells -----------------------------------------------------------------------------------------

HEADER = "X-Forwarded-User"


def test_the_name_that_a_proxy_on_this_machine_tells_is_believed(tmp_path: Path) -> None:
    with scene(tmp_path, header=HEADER) as pager:
        found = pager.hear(alert())
        pager.client.headers[HEADER] = "jane.doe@example.org"
        assert "Log out" not in pager.page("/")
        pager.press(found, "acknowledge", who="Mallory")
        assert acknowledged(pager, found) == "jane.doe"


def test_without_a_name_from_the_proxy_nothing_is_told(tmp_path: Path) -> None:
    with scene(tmp_path, header=HEADER) as pager:
        pager.hear(alert())
        for headers in (
            {},
            {HEADER: ""},
            {"X_Forwarded_User": "jane"},
            {"X-Forwarded-For": "127.0.0.1"},
        ):
            answer = pager.client.get("/", headers=headers)
            assert answer.status_code == 401
            assert "llama" not in answer.text


def test_a_name_that_came_twice_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with scene(tmp_path, header=HEADER) as pager:
        answer = pager.client.get("/", headers=[(HEADER, "root"), (HEADER.lower(), "jane")])
    assert answer.status_code == 401
    assert "came more than once" in caplog.text


def test_a_name_from_elsewhere_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def user(sender: str, *networks: str) -> str:
        scope = {"type": "http", "headers": [(HEADER.lower().encode(), b"jane")], "client": (sender, 1)}
        return Proxy(HEADER, networks).user(Request(scope))

    assert user("127.0.0.1") == "jane"
    assert user("::1") == "jane"
    assert user("::ffff:127.0.0.1") == "jane"
    assert user("10.2.0.7", "10.2.0.0/16") == "jane"
    assert user("::ffff:10.2.0.7", "10.2.0.0/16") == "jane"
    assert user("10.3.0.7", "10.2.0.0/16") == ""
    assert user("192.0.2.1") == ""
    assert user("somewhere") == ""
    assert "is not believed" in caplog.text


# --- pages for everybody, and the webhook's token ---------------------------------------------------------------------


def test_pages_for_everybody_to_read_have_no_buttons_and_take_no_forms(tmp_path: Path) -> None:
    with scene(tmp_path, public=Public.READ) as pager:
        found = pager.hear(alert())
        page = pager.page(f"/incidents/{found}")
        assert "<form" not in page.partition("<main")[2]
        form = {"mark": forgery.mark(pager.client.cookies[FORM_COOKIE], ""), "act": "acknowledge", "key": key()}
        answer = pager.client.post(f"/incidents/{found}/deeds", data=form)
        assert answer.status_code == 403
        assert acknowledged(pager, found) == ""


@pytest.mark.parametrize("shown", ["", "Bearer wrong", f"Basic {SECRET}", SECRET, "Bearer", f"Bearer {SECRET} x"])
def test_a_webhook_without_the_token_is_refused_and_noted(
    tmp_path: Path, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    with scene(tmp_path, webhook_token=True) as pager:
        answer = pager.client.post("/webhook", content=body(alert()), headers={"Authorization": shown} if shown else {})
        assert answer.status_code == 401
        assert "webhook_token_file" in answer.text
        assert open_incidents(pager.store) == ()
        assert "was answered 401" in caplog.text
        assert (
            'atlas_pager_received_total{result="unauthorized"} 1.0' in pager.client.get("/metrics", headers=BEARER).text
        )
        assert SECRET not in caplog.text
        assert pager.client.post("/webhook", content=body(alert()), headers=BEARER).status_code == 200
        assert len(open_incidents(pager.store)) == 1
