"""Basic auth: right, wrong and unknown; cheap for scrapes, dear for guessers, and no word of it anywhere."""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest

from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.web import basic_auth
from atlas_ops.exporter.web.basic_auth import Login, Users
from atlas_ops.exporter.web.guard import Guard
from tests.exporter.web.rig import PAGE, SECONDS, at_once, serving, web_config

PASSWORD = "correct horse: battery"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def guard(folder: Path) -> Guard:
    return Guard(web_config(folder, f"basic_auth_users:\n  prometheus: {HASH.decode()}\n"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that passwords were compared with."""
    compared: list[bytes] = []
    real = bcrypt.checkpw

    def checkpw(password: bytes, wanted: bytes) -> bool:
        compared.append(wanted)
        return real(password, wanted)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return compared


def test_the_right_password_opens_every_page_and_none_opens_nothing(tmp_path: Path) -> None:
    with serving(guard=guard(tmp_path)) as running:
        assert running.ask(Authorization=basic("prometheus", PASSWORD)).body == PAGE
        for path in ("/metrics", "/nowhere"):
            answer = running.ask(path=path)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic")
        assert running.settled({"unauthorized": 2}) == {"unauthorized": 2}


@pytest.mark.parametrize(
    "authorization",
    [basic("prometheus", "wrong"), basic("prometheus", ""), basic("nobody", PASSWORD), basic("", ""), basic("Prometheus", PASSWORD),
     basic("prometheus", PASSWORD + " "), basic("prometheus", "a\0b"), "Basic", "Basic ?", "Basic cHJvbWV0aGV1cw==",
     "Bearer abc", basic("prometheus", PASSWORD).replace("Basic", "Digest"), basic("prometheus", "x" * 5000), "Basic é"],
)  # fmt: skip
def test_everything_else_is_refused(authorization: str, tmp_path: Path) -> None:
    with serving(guard=guard(tmp_path)) as running:
        said = f"GET /metrics HTTP/1.1\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        assert running.talk(said.encode("latin-1")).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_a_password_costs_one_hash_however_often_it_comes(computed: list[bytes]) -> None:
    users = Users({"prometheus": HASH})
    assert [users.check(basic("prometheus", PASSWORD), Deadline(SECONDS)) for _ in range(50)] == [Login.RIGHT] * 50
    assert len(computed) == 1
    assert users.check(basic("prometheus", "wrong"), Deadline(SECONDS)) is Login.WRONG
    assert len(computed) == 2


def test_an_unknown_user_costs_as_much_as_a_known_one(computed: list[bytes]) -> None:
    users = Users({"cheap": HASH, "dear": bcrypt.hashpw(b"x", bcrypt.gensalt(6))})
    assert users.check(basic("nobody", PASSWORD), Deadline(SECONDS)) is Login.WRONG
    assert [wanted.split(b"$")[2] for wanted in computed] == [b"06"]


class Slow:
    """A comparison that lasts until the test lets it go."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Semaphore(0), threading.Event()
        self.running, self.most = 0, 0
        self._lock = threading.Lock()

    def __call__(self, _password: bytes, _wanted: bytes) -> bool:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        self.leave.wait(SECONDS)
        with self._lock:
            self.running -= 1
        return False


@contextlib.contextmanager
def flooded(slow: Slow, number: int, guess: Callable[[], object]) -> Iterator[list[object]]:
    """Guess from many threads; every turn is taken inside the block, and all have ended behind it."""
    results: list[object] = []
    flood = threading.Thread(target=at_once, args=(number, guess, results))
    flood.start()
    try:
        for _ in range(basic_auth.HASHERS):
            assert slow.entered.acquire(timeout=SECONDS)
        yield results
    finally:
        slow.leave.set()
        flood.join()


def test_a_flood_of_wrong_passwords_is_bounded_and_a_known_scraper_does_not_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users, slow = Users({"prometheus": HASH}), Slow()
    assert users.check(basic("prometheus", PASSWORD), Deadline(SECONDS)) is Login.RIGHT
    monkeypatch.setattr(bcrypt, "checkpw", slow)
    with flooded(slow, 50, lambda: users.check(basic("prometheus", "guess"), Deadline(SECONDS))) as results:
        assert users.check(basic("prometheus", PASSWORD), Deadline(SECONDS)) is Login.RIGHT
        while len(results) < 50 - basic_auth.HASHERS - basic_auth.WAITING:
            threading.Event().wait(0.001)
        assert set(results) == {Login.BUSY}, "all the others were sent away at once"
    assert slow.most == basic_auth.HASHERS
    assert results.count(Login.WRONG) == basic_auth.HASHERS + basic_auth.WAITING


def test_a_login_that_does_not_get_its_turn_in_time_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = Slow()
    monkeypatch.setattr(bcrypt, "checkpw", slow)
    with (
        serving(guard=guard(tmp_path)) as running,
        flooded(slow, basic_auth.HASHERS, lambda: running.ask(Authorization=basic("a", "b"))),
    ):
        late = running.ask(Authorization=basic("prometheus", "x"), X_Prometheus_Scrape_Timeout_Seconds="0.2")
        assert (late.status, late.body) == (503, b"too many logins at once\n")
        assert running.settled({"busy": 1}) == {"busy": 1}


def test_a_password_longer_than_bcrypt_looks_is_right_as_with_other_tools() -> None:
    users = Users({"prometheus": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))})
    assert users.check(basic("prometheus", "x" * 80), Deadline(SECONDS)) is Login.RIGHT
    assert users.check(basic("prometheus", "x" * 71), Deadline(SECONDS)) is Login.WRONG


@pytest.mark.parametrize("variant", [b"2a", b"2b", b"2y"])
def test_hashes_of_all_tools_are_taken(variant: bytes) -> None:
    users = Users({"prometheus": HASH.replace(b"2b", variant, 1)})
    assert users.check(basic("prometheus", PASSWORD), Deadline(SECONDS)) is Login.RIGHT


def test_what_is_remembered_is_bounded_and_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic_auth, "MAX_REMEMBERED", 3)
    users = Users({f"user{n}": HASH for n in range(10)})
    for n in range(10):
        assert users.check(basic(f"user{n}", PASSWORD), Deadline(SECONDS)) is Login.RIGHT
        assert len(users._right) <= 3
    assert not any(PASSWORD.encode() in mark for mark in users._right)


def test_nothing_of_a_login_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(guard=guard(tmp_path)) as running:
        right, wrong = basic("prometheus", PASSWORD), basic("prometheus", "guess")
        running.ask(Authorization=right)
        running.ask(Authorization=wrong)
    said = caplog.text
    assert not any(secret in said for secret in (PASSWORD, "guess", right[6:], wrong[6:], HASH.decode()))
