"""Which release a pod runs, and whether it is being tried: what the labels of common tools say of that.

Called by `detect` where no annotation of ours says it. KServe and Knative split traffic between revisions and mark none of
them as the canary, so there only the revision is known.
"""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.discovery.annotations import MAX_TEXT
from atlas_ops.exporter.discovery.pod import Pod

TRACK_LABELS = ("track", "harness.io/track", "role")
"""Kubernetes' convention for canary deployments (GitLab writes it, too), Harness, and the example of Argo Rollouts'
`canaryMetadata`."""
RELEASE_LABELS = ("app.kubernetes.io/version", "serving.knative.dev/revision", "rollouts-pod-template-hash")
"""Kubernetes' recommended label, Knative (and so KServe), and Argo Rollouts."""


def track_of(pod: Pod) -> str:
    """Return the track of a pod: a canary when a label says so, else stable."""
    return c.CANARY if c.CANARY in (pod.labels.get(label) for label in TRACK_LABELS) else c.STABLE


def release_of(pod: Pod) -> str:
    """Return the release that a pod runs; empty when no label tells one."""
    told = (pod.labels.get(label, "") for label in RELEASE_LABELS)
    return next((release for release in told if release and len(release) <= MAX_TEXT and release.isprintable()), "")
