"""Which containers of a pod are model servers, of which runtime, and where their pages are.

Called by `pod_store`. The order is that of the project's study of runtimes, the surest sign first: annotations of ours,
labels that name the engine, the repository of the image (mirrors rename it), the command line, and labels of an owner
such as KServe or Ray. The last say that it is a model server, but not which engine is inside, so there the runtime is
recognised from the page. What each sign looks like is data: `kubernetes` in `exporters/<runtime>.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.discovery.annotations import PREFIX, Page, Wishes, read_wishes
from atlas_ops.exporter.discovery.pod import Container, Pod
from atlas_ops.exporter.discovery.release import release_of, track_of
from atlas_ops.settings import Server

ENGINE_LABELS = ("llm-d.ai/engine-type", "model.aibrix.ai/engine")
"""Labels whose value is an engine and nothing else; all others are an owner's."""
METRICS_PORTS = ("metrics", "http-metrics")
MAIN_CONTAINER = "kubectl.kubernetes.io/default-container"
SIDECARS = ("istio-proxy", "linkerd-proxy", "queue-proxy", "envoy", "agent")
"""Containers that others put into a pod; never the main one, unless there is no other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A container that seems to be a model server."""

    container: Container
    dialect: Dialect | None
    """Of which runtime, or of whose kind; None: all that is known is that somebody wants it to be scraped."""
    sure: bool = True
    """Whether it is of this runtime; if not, the dialect says where the page is and no more."""


class Detector:
    """Knows the dialects."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        # A runtime that carries another one ranks above it, so its signs are looked for first.
        self._dialects = sorted(dialects, key=lambda dialect: (-dialect.rank, dialect.runtime))
        self._by_runtime = {dialect.runtime: dialect for dialect in dialects}

    def servers(self, pod: Pod) -> tuple[tuple[Server, ...], tuple[str, ...]]:
        """Return the model servers of a pod, and what is wrong with its annotations.

        A pod that is not running, or has no address, has none. One that is not ready has: it may be loading.
        """
        wishes = read_wishes(pod.annotations, self._by_runtime)
        if wishes.scrape is False or not pod.running or not pod.ip:
            return (), wishes.mistakes
        containers = tuple(c for c in pod.containers if not wishes.container or c.name == wishes.container)
        mistakes = list(wishes.mistakes)
        if wishes.container and not containers:
            mistakes.append(f"{PREFIX}container: no container has the name {wishes.container!r}")
        servers: dict[int, Server] = {}
        for candidate in self._candidates(pod, containers, wishes) if containers else ():
            page = _page(pod, candidate, wishes)
            if page.port:
                servers.setdefault(page.port, _server(pod, candidate, page, wishes))
            else:
                mistakes.append(f"{PREFIX}port: is missing; the container {candidate.container.name} declares no port")
        return tuple(servers.values()), tuple(mistakes)

    def _candidates(self, pod: Pod, containers: Sequence[Container], wishes: Wishes) -> Sequence[_Candidate]:
        told = self._by_runtime.get(wishes.runtime)
        found = self._of(pod, containers, told) if told else self._detected(pod, containers)
        if not found and wishes.scrape:
            return [_Candidate(container=_main(pod, containers, ()), dialect=None)]
        return found

    def _detected(self, pod: Pod, containers: Sequence[Container]) -> Sequence[_Candidate]:
        engine = self._labelled(pod, lambda label: label in ENGINE_LABELS)
        if engine:
            return self._of(pod, containers, engine)
        for shows in (_shows_by_image, _shows_by_command):
            found = list(self._showing(containers, shows))
            if found:
                return found
        owner = self._labelled(pod, lambda label: label not in ENGINE_LABELS)
        if owner is None:
            return ()
        return [_Candidate(container=_main(pod, containers, owner.kubernetes.containers), dialect=owner, sure=False)]

    def _showing(
        self, containers: Sequence[Container], shows: Callable[[Dialect, Container], bool]
    ) -> Iterator[_Candidate]:
        for container in containers:
            dialect = next((dialect for dialect in self._dialects if shows(dialect, container)), None)
            if dialect:
                yield _Candidate(container=container, dialect=dialect)

    def _of(self, pod: Pod, containers: Sequence[Container], dialect: Dialect) -> Sequence[_Candidate]:
        """Return the containers of a pod of which the runtime is known."""
        shown = [c for c in containers if _shows_by_image(dialect, c) or _shows_by_command(dialect, c)]
        chosen = shown or [_main(pod, containers, dialect.kubernetes.containers)]
        return [_Candidate(container=container, dialect=dialect) for container in chosen]

    def _labelled(self, pod: Pod, counts: Callable[[str], bool]) -> Dialect | None:
        """Return the first dialect that one of the pod's labels speaks for; only labels that count are looked at."""
        for dialect in self._dialects:
            for label, pattern in dialect.kubernetes.labels:
                if counts(label) and label in pod.labels and fnmatchcase(pod.labels[label], pattern):
                    return dialect
        return None


def _shows_by_image(dialect: Dialect, container: Container) -> bool:
    repository = container.image.partition("@")[0].split("/")
    repository[-1] = repository[-1].partition(":")[0]
    return any(
        fnmatchcase("/".join(repository[-pattern.count("/") - 1 :]), pattern) for pattern in dialect.kubernetes.images
    )


def _shows_by_command(dialect: Dialect, container: Container) -> bool:
    return any(text in container.command for text in dialect.kubernetes.commands)


def _main(pod: Pod, containers: Sequence[Container], names: Sequence[str]) -> Container:
    """Return the container that has one of these names, the pod's own main one, or the first that is no sidecar."""
    by_name = {container.name: container for container in containers}
    for name in (*names, pod.annotations.get(MAIN_CONTAINER, "")):
        if name in by_name:
            return by_name[name]
    return next((container for container in containers if container.name not in SIDECARS), containers[0])


def _page(pod: Pod, candidate: _Candidate, wishes: Wishes) -> Page:
    """Return where the page is, each part from what says it best; port 0 when nothing tells it."""
    container, dialect, ours = candidate.container, candidate.dialect, wishes.page
    named = next((number for name, number in container.ports if name in METRICS_PORTS), 0)
    of_others = {number for other in pod.containers if other.name != container.name for _, number in other.ports}
    told = Page() if wishes.prometheus.port in of_others else wishes.prometheus  # that is the page of another container
    # Without a path the collector takes that of the runtime, as soon as it knows it.
    path = dialect.metrics_path if dialect and not candidate.sure else ""
    return Page(
        scheme=ours.scheme or told.scheme or "http",
        port=ours.port or named or told.port or _usual_port(candidate),
        path=ours.path or told.path or path,
    )


def _usual_port(candidate: _Candidate) -> int:
    """Return the runtime's own port, or the declared one where all is served on one port and that is another."""
    dialect, ports = candidate.dialect, [number for _, number in candidate.container.ports]
    one_port = dialect is None or dialect.api_port in (0, dialect.default_port)
    if ports and one_port and not (dialect and dialect.default_port in ports):
        return ports[0]
    return dialect.default_port if dialect else 0


def _server(pod: Pod, candidate: _Candidate, page: Page, wishes: Wishes) -> Server:
    dialect = candidate.dialect
    return Server(
        url=f"{page.scheme}://{pod.ip}:{page.port}{page.path}",
        runtime=dialect.runtime if dialect and candidate.sure else "",
        model=wishes.model,
        namespace=pod.namespace,
        pod=pod.name,
        container=candidate.container.name,
        track=wishes.track or track_of(pod),
        release=wishes.release or release_of(pod),
        started_at=candidate.container.started_at,
    )
