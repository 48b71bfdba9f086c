"""Pods of this node are followed through the real protocol: lists in chunks, watches, and all that may go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas_ops.exporter.discovery import pod_api
from atlas_ops.settings import Server
from tests.exporter.collectors import await_that
from tests.exporter.discovery.api_standin import ApiStandIn, api_server
from tests.exporter.discovery.finders import await_pods, finding, names, token_file, works
from tests.exporter.discovery.pods import NAMESPACE, NODE, STARTED_AT, VLLM, WEB, pod
from tests.exporter.web.certificates import Authority


@pytest.fixture
def api() -> Iterator[ApiStandIn]:
    with api_server() as server:
        yield server


def test_a_model_server_of_this_node_is_found_with_its_address_and_all_its_names(
    api: ApiStandIn, tmp_path: Path
) -> None:
    api.put(pod("llama-0", WEB, VLLM, ip="10.1.2.3"), pod("web-0", WEB), pod("elsewhere-0", node="gpu-node-2"))
    with finding(api, tmp_path) as finder:
        await_that(lambda: finder.ready)
        assert finder.found() == (
            Server(
                url="http://10.1.2.3:8000", runtime="vllm", namespace=NAMESPACE, pod="llama-0", container="vllm",
                started_at=STARTED_AT,
            ),
        )  # fmt: skip
        assert works(finder)


def test_pods_are_followed_as_they_come_change_and_go(api: ApiStandIn, tmp_path: Path) -> None:
    with finding(api, tmp_path) as finder:
        api.put(pod("llama-0", phase="Pending", ip=""))
        api.put(pod("llama-1"))
        await_pods(finder, "llama-1")
        api.put(pod("llama-0"))
        await_pods(finder, "llama-0", "llama-1")
        api.put(pod("llama-1", phase="Succeeded"))
        await_pods(finder, "llama-0")
        api.delete("llama-0")
        await_pods(finder)
        assert api.verbs().count("list") == 1


def test_a_pod_that_comes_and_goes_in_a_blink_leaves_nothing_behind(api: ApiStandIn, tmp_path: Path) -> None:
    with finding(api, tmp_path) as finder:
        await_that(lambda: works(finder))
        for _ in range(50):
            api.put(pod("blink-0"))
            api.delete("blink-0")
        api.put(pod("llama-0"))
        await_pods(finder, "llama-0")


@pytest.mark.parametrize(("whole", "lists"), [(False, 3), (True, 1)])
def test_a_long_list_of_this_node_alone_is_read_in_chunks_or_as_it_comes(
    api: ApiStandIn, tmp_path: Path, *, whole: bool, lists: int
) -> None:
    api.faults.whole_lists = whole
    wanted = [f"llama-{number}" for number in range(250)]
    api.put(*(pod(name) for name in wanted))
    with finding(api, tmp_path) as finder:
        await_pods(finder, *wanted)
        assert api.verbs().count("list") == lists
        assert {query["fieldSelector"] for _, query in api.asked} == {f"spec.nodeName={NODE}"}


def test_the_label_selector_of_the_settings_is_asked_for(api: ApiStandIn, tmp_path: Path) -> None:
    api.put(pod("llama-0", labels={"team/x": "a"}), pod("llama-1", labels={"team/x": "b"}))
    with finding(api, tmp_path, label_selector="team/x=a") as finder:
        await_pods(finder, "llama-0")
        api.put(pod("llama-0", labels={"team/x": "b"}), pod("llama-1", labels={"team/x": "a"}))
        await_pods(finder, "llama-1")


def _cut(api: ApiStandIn) -> None:
    api.cut()


def _cut_in_the_middle_of_an_event(api: ApiStandIn) -> None:
    api.faults.cut_in_line = 3


def _drip(api: ApiStandIn) -> None:
    api.faults.drip = True
    api.cut()


@pytest.mark.parametrize("trouble", [_cut, _cut_in_the_middle_of_an_event, _drip])
def test_a_watch_that_breaks_off_goes_on_where_it_was_and_nothing_is_missed(
    api: ApiStandIn, tmp_path: Path, trouble: Callable[[ApiStandIn], None]
) -> None:
    api.put(pod("llama-0"))
    with finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
        with api.changed:
            trouble(api)
            api.put(pod("llama-1"))
            api.delete("llama-0")
        await_pods(finder, "llama-1")
        assert api.verbs().count("list") == 1, "what came meanwhile was told by the watch that went on"


def test_bookmarks_move_on_where_a_watch_goes_on_although_nothing_of_this_node_happens(
    api: ApiStandIn, tmp_path: Path
) -> None:
    with finding(api, tmp_path) as finder:
        await_that(lambda: works(finder))
        api.put(pod("elsewhere-0", node="gpu-node-2"))
        await_that(lambda: finder._reflector._version == str(api.version))
        api.cut()
        await_that(lambda: api.verbs().count("watch") == 2)
        assert api.asked[-1][1]["resourceVersion"] == str(api.version)


@pytest.mark.parametrize("gone_as_event", [True, False])
def test_after_gone_everything_is_listed_again_and_not_from_the_cache(
    api: ApiStandIn, tmp_path: Path, *, gone_as_event: bool
) -> None:
    api.faults.gone_as_event = gone_as_event
    api.put(pod("llama-0"))
    with finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
        with api.changed:  # nobody is told of these, and nobody can ask for them any more
            api.put(pod("llama-1"))
            api.delete("llama-0")
            api.compact()
            api.cut()
        await_pods(finder, "llama-1")
        with api.changed:
            api.delete("llama-1")
            api.compact()
            api.cut()
        await_pods(finder)
        assert [query.get("resourceVersion") for verb, query in api.asked if verb == "list"] == ["0", None, None]


def test_a_list_whose_rest_has_expired_is_begun_anew(api: ApiStandIn, tmp_path: Path) -> None:
    wanted = [f"llama-{number}" for number in range(150)]
    api.put(*(pod(name) for name in wanted))
    api.faults.continue_gone = 1
    with finding(api, tmp_path) as finder:
        await_pods(finder, *wanted)
    assert api.verbs()[:4] == ["list"] * 4


GARBAGE = [
    b"this is no JSON\n",
    b"[1, 2]\n",
    b'{"type": "ADDED"}\n',
    b'{"type": "DELETED", "object": "llama-0"}\n',
    b"[" * 100_000 + b"\n",
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda line: repr(line[:20]))
def test_garbage_in_a_watch_costs_a_new_list_and_nothing_that_is_known(
    api: ApiStandIn, tmp_path: Path, garbage: bytes
) -> None:
    api.put(pod("llama-0"))
    with finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
        api.faults.before_event = [garbage]
        api.put(pod("llama-1"))
        await_pods(finder, "llama-0", "llama-1")
        await_that(lambda: api.verbs().count("list") == 2)


def test_an_event_that_is_too_large_is_left_out_and_the_watch_goes_on(api: ApiStandIn, tmp_path: Path) -> None:
    with finding(api, tmp_path) as finder:
        await_that(lambda: works(finder))
        api.faults.before_event = [b'{"type": "ADDED", "object": {"a": "' + b"x" * 5_000_000 + b'"}}\n']
        api.put(pod("llama-0"))
        await_pods(finder, "llama-0")
        assert api.verbs().count("list") == 1


def test_a_missing_permission_is_named_and_asked_for_again(
    api: ApiStandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(pod("llama-0"))
    api.allowed = {("list", NAMESPACE)}
    with finding(api, tmp_path) as finder:
        await_that(lambda: api.verbs().count("watch") > 2)
        assert not works(finder)
        assert names(finder) == ["llama-0"], "the list was allowed"
        api.allowed.add(("watch", NAMESPACE))
        await_that(lambda: works(finder))
    told = [record.getMessage() for record in caplog.records if "not allowed" in record.getMessage()]
    assert len(told) == 1, "once, not with every attempt"
    assert "watch of pods in the namespace chat is not allowed" in told[0]
    assert "Role and RoleBinding" in told[0]


def test_an_api_server_that_repeats_the_token_does_not_get_it_logged(
    api: ApiStandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(pod("llama-0"))
    api.faults.refusals = [(500, "")]
    with finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
    assert "as the test wants it, of Bearer ***" in caplog.text
    assert api.token not in caplog.text


def test_a_token_that_is_replaced_in_its_file_is_used_and_an_old_one_costs_nothing_that_is_known(
    api: ApiStandIn, tmp_path: Path
) -> None:
    api.put(pod("llama-0"))
    with finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
        api.token = "the-next-one"
        api.cut()
        await_that(lambda: not works(finder))
        assert names(finder) == ["llama-0"]
        token_file(tmp_path, "the-next-one\n")
        api.put(pod("llama-1"))
        await_pods(finder, "llama-0", "llama-1")
        assert works(finder)


def test_no_request_is_sent_without_the_token_that_the_settings_name(api: ApiStandIn, tmp_path: Path) -> None:
    with finding(api, tmp_path) as finder:
        await_that(lambda: works(finder))
        (tmp_path / "token").unlink()
        sent = len(api.asked)
        api.cut()
        await_that(lambda: not works(finder))
        assert len(api.asked) == sent


def test_while_the_api_server_is_away_what_was_known_stays_and_is_said_to_be_old(tmp_path: Path) -> None:
    with api_server([pod("llama-0")]) as api, finding(api, tmp_path) as finder:
        await_pods(finder, "llama-0")
        api.shutdown()
        api.server_close()
        api.cut()
        await_that(lambda: not works(finder))
        assert names(finder) == ["llama-0"]


LIES = [
    pod("elsewhere-0", node="gpu-node-2"), pod("other-0", namespace="other"), pod(""), pod("../../etc"), pod("Llama 0"),
    {"metadata": {}, "spec": {"nodeName": NODE}}, {"metadata": {"name": "llama-9"}, "spec": 3, "status": []},
]  # fmt: skip


def test_an_api_server_that_lies_is_not_believed(api: ApiStandIn, tmp_path: Path) -> None:
    api.faults.ignores_selectors = True
    api.put(*LIES)
    with finding(api, tmp_path) as finder:
        api.put(pod("llama-0"), *LIES)
        await_pods(finder, "llama-0")
        api.put(pod("llama-1"))
        await_pods(finder, "llama-0", "llama-1")


def test_a_list_without_a_version_is_no_list(api: ApiStandIn, tmp_path: Path) -> None:
    api.faults.no_version = True
    with finding(api, tmp_path) as finder:
        await_that(lambda: api.verbs().count("list") > 2)
        assert not works(finder)
        assert "watch" not in api.verbs()


def test_a_list_that_never_ends_is_given_up(
    api: ApiStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pod_api, "MAX_PAGES", 2)
    api.put(*(pod(f"llama-{number}") for number in range(201)))
    with finding(api, tmp_path) as finder:
        await_that(lambda: finder.ready)
        assert not works(finder)
        assert names(finder) == []
    assert "has not ended after 2 pages" in caplog.text


def test_the_api_server_is_trusted_by_the_authority_of_the_settings_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    pair = authority.server()
    with api_server([pod("llama-0")], (str(pair.certificate), str(pair.key))) as api:
        with finding(api, tmp_path, ca_file=str(authority.file)) as finder:
            await_that(lambda: works(finder))
            assert names(finder) == ["llama-0"]
        asked = len(api.asked)
        with finding(api, tmp_path, ca_file=str(stranger.file)) as finder:
            await_that(lambda: finder.ready)
            assert not works(finder)
        assert len(api.asked) == asked, "no token was sent"
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_it_ends_at_once_although_a_watch_is_open(api: ApiStandIn, tmp_path: Path) -> None:
    with finding(api, tmp_path) as finder:
        await_that(lambda: works(finder))
    assert not finder._thread.is_alive()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_it_ends_up_knowing_what_is_there(api: ApiStandIn, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    there: set[str] = set()

    def step() -> None:
        name = f"llama-{chance.randrange(12)}"
        if name in there:
            there.discard(name)
            api.delete(name)
        else:
            there.add(name)
            api.put(pod(name))

    def trouble() -> None:
        with api.changed:
            step()
            for happens in chance.choice(((), (api.cut,), (api.compact,), (api.compact, api.cut))):
                happens()
            api.faults.cut_in_line = chance.randrange(2)
            api.faults.before_event = chance.choice([[], [GARBAGE[chance.randrange(len(GARBAGE))]]])
            api.faults.refusals = chance.choice([[], [(429, "0"), (503, "")], [(410, "")]])

    with finding(api, tmp_path) as finder:
        for _ in range(20):
            trouble()
            step()
            await_pods(finder, *there)
    assert api.verbs().count("list") > 3
