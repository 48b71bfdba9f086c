"""Every prefix, label and severity name, spelled once.

Used by the catalog, the exporter, the renderers and the pager; nothing else may spell them.
"""

from __future__ import annotations

PREFIX = "atlas_"
EXPORTER_JOB = "atlas-exporter"
PAGER_JOB = "atlas-pager"
WATCH_JOB = "atlas-watch"
DASHBOARD_UID_PREFIX = "atlas-"

# Labels of signals. The Kubernetes and host names are OpenTelemetry's resource attributes with dots replaced: they
# cannot clash with the labels (`pod`, `namespace`, ...) that Prometheus attaches to the scrape target.
RUNTIME = "runtime"
SERVER = "server"
MODEL = "model"
API = "api"
"""How a black-box request is written (`settings.servers.PROBE_APIS`)."""
HOST_NAME = "host_name"
K8S_NAMESPACE = "k8s_namespace_name"
K8S_POD = "k8s_pod_name"
K8S_CONTAINER = "k8s_container_name"
GPU = "gpu"
UUID = "uuid"
MIG = "mig"
SYSTEMD_UNIT = "systemd_unit"
CONTAINER_ID = "container_id"

SERVER_IDENTITY = (RUNTIME, SERVER, HOST_NAME, K8S_NAMESPACE, K8S_POD, K8S_CONTAINER)
SERVER_LABELS = (RUNTIME, SERVER, MODEL, HOST_NAME, K8S_NAMESPACE, K8S_POD, K8S_CONTAINER)
MODEL_LABELS = (RUNTIME, MODEL, K8S_NAMESPACE)
"""What is left when the servers of a model are added up."""
GPU_LABELS = (GPU, UUID, HOST_NAME, MIG)
WORKLOAD_LABELS = (K8S_NAMESPACE, K8S_POD, K8S_CONTAINER, SYSTEMD_UNIT, CONTAINER_ID)
"""Whose a process or a device is: the first three in Kubernetes, one of the others elsewhere."""

# Labels of alerts, the words that people use: {label of the alert: label of the signal}.
ALERT_LABELS = {
    "namespace": K8S_NAMESPACE,
    "pod": K8S_POD,
    "container": K8S_CONTAINER,
    "node": HOST_NAME,
    "model": MODEL,
    "server": SERVER,
    "runtime": RUNTIME,
    "gpu": GPU,
    "uuid": UUID,
    "mig": MIG,
    "job": "job",
    "instance": "instance",
}

DETAIL_LABELS = (
    "api", "collector", "detector", "feature", "location", "owner", "page", "reason", "signal", "source",
    "state", "track", "type", "version", "xid",
)  # fmt: skip
"""Further labels that an alert may keep under their own names: they say what exactly is wrong, not where."""

SEVERITY = "severity"
FAMILY = "family"
VARIANT = "variant"
OBJECTIVE = "objective"
HEARTBEAT = "Watchdog"
"""The alert that always fires; its absence tells that the way to the pager is broken."""
PAGER_FAULT = "PagerDeliveryFailing"
UNDELIVERED = "undelivered"
"""The variant of that fault which tells, one by one, the pages that the pager does not."""
PAGE = "page"
"""Its label: family and name of such a page, which is where its runbook lies."""

FEATURE = "feature"
DETECTOR = "detector"
SEASONAL = "seasonal"
"""The detector that is calibrated on a model's own weeks, and the only one that may page (`detect.score`)."""
SLOW, COLD = "slow", "cold"
"""The chart that adds up what is small, and what stands in until there are two weeks of history; tickets only."""
PSI = "psi"
"""The detector that is nothing but recording rules, for those who run no watcher; tickets only."""
BIN = "bin"
"""What part of a feature's values is counted; the names are those of `detect.features`."""
FINISH_REASON = "finish_reason"
"""The feature that is made of why answers end, where no server counts it itself."""
PREDICTION_FEATURES = ("prediction", "generation", "output", "confidence", FINISH_REASON, "refusal")
EMBEDDING_FEATURES = ("embedding",)
"""How the names of features begin that are no inputs, such as `prediction_spam`, `generation_tokens` and `embedding_query`. All
others are inputs. The fault that a drift is told as follows from it."""

OUTCOMES = ("ok", "error", "rejected", "cancelled", "timeout")
FINISH_REASONS = ("stop", "length", "repetition", "done", "cancelled", "timeout", "rejected", "error", "unknown")
"""Why an answer ended. `done`: well, of a runtime that does not tell `stop` from `length`; `unknown`: by a word that the dialect
does not know."""
SCRAPE_STATES = (
    "ok", "starting", "empty", "unauthorized", "disabled", "unreachable", "unparsable", "timeout",
)  # fmt: skip
STABLE, CANARY = "stable", "canary"
TRACKS = (STABLE, CANARY)
"""Whether a server runs the release that everybody gets, or one that is being tried."""
PROBE_RESULTS = (
    "ok", "refused", "unreachable", "unauthorized", "error_status", "error_in_answer", "truncated", "empty",
    "garbage", "timeout", "not_sent",
)  # fmt: skip
"""How a black-box request ends; `not_sent` is the probe's own fault."""
THROTTLE_REASONS = (
    "sw_power_cap", "hw_slowdown", "hw_thermal", "hw_power_brake", "sw_thermal",
    "sync_boost", "display_clocks", "applications_clocks", "gpu_idle",
)  # fmt: skip
THROTTLE_SOURCES = ("hardware_counter", "sampled")
XID = "xid"
"""The kind of event that an XID is, and the label of its code."""
UNKNOWN_OWNER = "unknown"
XID_OWNERS = ("hardware", "driver", "application", UNKNOWN_OWNER)
"""Whose fault an XID is, by NVIDIA's catalogue; unknown where the catalogue does not know the code."""
GPU_EVENTS = (
    "ecc_single_bit_storm", "ecc_double_bit", "dram_retirement", "dram_retirement_failure", "poison_nonfatal",
    "poison_fatal", "gpu_unavailable", "recovery_action", "mig_config_change", "power_source_change",
)  # fmt: skip
SHARING = ("exclusive", "shared")
"""Whether a device belongs to one workload, or to several by time-slicing or MPS."""
REFUSED_BUSY = "busy"
REFUSED_UNAUTHORIZED = "unauthorized"
REFUSED_TIMEOUT = "timeout"
REFUSED_TLS = "tls"
REFUSED_BAD_REQUEST = "bad_request"
REFUSED_FAILED = "failed"
REFUSALS = (
    REFUSED_BUSY, REFUSED_UNAUTHORIZED, REFUSED_TIMEOUT, REFUSED_TLS, REFUSED_BAD_REQUEST, REFUSED_FAILED,
)  # fmt: skip
"""Why a request to the exporter got no page."""
OVERFLOW = "other"
"""The label value that takes what a cap on distinct values leaves over."""
UNNAMED_MODEL = "unnamed"
"""The model of a page that names none, when nobody else does."""
NO_SERVICE_NAME = "unknown_service"
"""How OpenTelemetry calls a service that nobody has named, with the name of its program behind it."""
PROBE_USER = "atlas-ops-probe"
"""Who the black-box probe says it is, in its User-Agent, the id of its requests and OpenAI's field `user`: by this its
requests can be told from those of users."""
