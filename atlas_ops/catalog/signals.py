"""The signal contract: every canonical metric, once (design, section 3).

Faults refer to these objects (a typo is a type error), the exporter publishes them, `check` refuses any other name.
"""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Signal, SignalType


def _gauge(name: str, help_text: str, *labels: str, unit: str = "") -> Signal:
    return Signal(name=c.PREFIX + name, type=SignalType.GAUGE, help=help_text, unit=unit, labels=labels)


def _counter(name: str, help_text: str, *labels: str, unit: str = "") -> Signal:
    return Signal(name=c.PREFIX + name, type=SignalType.COUNTER, help=help_text, unit=unit, labels=labels)


def _histogram(name: str, help_text: str, *labels: str, unit: str = "") -> Signal:
    return Signal(name=c.PREFIX + name, type=SignalType.HISTOGRAM, help=help_text, unit=unit, labels=labels)


_S = c.SERVER_IDENTITY
_M = c.SERVER_LABELS
_FLEET = (c.RUNTIME, c.MODEL, c.K8S_NAMESPACE)
_G = c.GPU_LABELS

# --- model servers: are they there? -----------------------------------------------------------------------------------
SERVER_UP = _gauge("server_up", "1 when the last scrape of the server worked, else 0.", *_S)
SERVER_SCRAPE_STATE = _gauge("server_scrape_state", "1 for the state of the last scrape.", *_S, "state")
SERVER_READY = _gauge("server_ready", "1 when the readiness endpoint says ready, 0 when it says not.", *_S)
MODEL_READY = _gauge("model_ready", "1 when the model can answer requests.", *_M)
SERVER_START_TIME = _gauge("server_start_time_seconds", "Start of the server, Unix time.", *_S, unit="seconds")
SERVER_RESTARTS = _counter("server_restarts_total", "Restarts of the server seen by the exporter.", *_S)
SERVER_WORKERS = _gauge("server_workers", "Processes seen to answer in turn at the server's address.", *_S)
MODEL_LOAD = _gauge("model_load_seconds", "Time from start to ready (cold start).", *_M, unit="seconds")
SERVER_INFO = _gauge("server_info", "Version of the server and dialect in use; always 1.", *_S, "version", "dialect")
SERVER_RELEASE_INFO = _gauge("server_release_info", "Track (stable or canary) and release of the server; always 1.",
                             *_S, "track", "release")  # fmt: skip
SIGNAL_QUALITY = _gauge("signal_quality", "How well the server speaks for a signal; always 1.",
                        *_S, "signal", "quality")  # fmt: skip
SIGNAL_RESOLVED = _gauge("signal_resolved", "0 when a signal that this runtime version should have is not found.",
                         *_S, "signal")  # fmt: skip

# --- model servers: work ----------------------------------------------------------------------------------------------
REQUESTS_RUNNING = _gauge("requests_running", "Requests being executed.", *_M)
REQUESTS_WAITING = _gauge("requests_waiting", "Requests accepted and not yet being executed.", *_M)
REQUESTS_CAPACITY = _gauge("requests_capacity", "Requests that can be executed at the same time.", *_M)
QUEUE_CAPACITY = _gauge("queue_capacity", "Requests that can wait before the server refuses.", *_M)
REQUESTS = _counter("requests_total", "Requests by how they ended.", *_M, "outcome")
REQUESTS_FINISHED = _counter("requests_finished_total", "Requests that the engine has finished, by why the answer ended.",
                             *_M, "reason")  # fmt: skip
REQUEST_DURATION = _histogram("request_duration_seconds", "Time from arrival to the last byte of the answer.",
                              *_M, unit="seconds")  # fmt: skip
QUEUE_TIME = _histogram("queue_time_seconds", "Time a request waited before execution.", *_M, unit="seconds")
TIME_TO_FIRST_TOKEN = _histogram("time_to_first_token_seconds", "Time from arrival to the first token.",
                                 *_M, unit="seconds")  # fmt: skip
INTER_TOKEN_LATENCY = _histogram("inter_token_latency_seconds", "Time between two tokens of one answer.",
                                 *_M, unit="seconds")  # fmt: skip
PROMPT_TOKENS = _counter("prompt_tokens_total", "Prompt tokens taken in, cached ones included.", *_M)
GENERATION_TOKENS = _counter("generation_tokens_total", "Tokens produced.", *_M)
CACHED_PROMPT_TOKENS = _counter("cached_prompt_tokens_total", "Prompt tokens answered from a cache.", *_M)
REQUEST_PROMPT_TOKENS = _histogram("request_prompt_tokens", "Prompt tokens per request.", *_M)
REQUEST_GENERATION_TOKENS = _histogram("request_generation_tokens", "Produced tokens per request.", *_M)
KV_CACHE_USAGE = _gauge("kv_cache_usage_ratio", "Share of the KV cache in use; the fullest engine of the server.",
                        *_M, unit="ratio")  # fmt: skip
KV_CACHE_CAPACITY = _gauge("kv_cache_capacity_tokens", "Tokens that the KV cache of one engine can hold.", *_M)
PREEMPTIONS = _counter("preemptions_total", "Running requests put back to wait because the KV cache was full.", *_M)
PREFIX_CACHE_QUERIES = _counter("prefix_cache_queries_total", "Tokens looked up in the prefix cache.", *_M)
PREFIX_CACHE_HITS = _counter("prefix_cache_hits_total", "Tokens found in the prefix cache.", *_M)
BATCHES = _counter("batches_total", "Batches executed.", *_M)
BATCHED_REQUESTS = _counter("batched_requests_total", "Requests executed in batches.", *_M)
SPEC_DECODE_DRAFT_TOKENS = _counter("spec_decode_draft_tokens_total", "Tokens drafted by speculation.", *_M)
SPEC_DECODE_ACCEPTED_TOKENS = _counter("spec_decode_accepted_tokens_total", "Drafted tokens that were accepted.", *_M)
LORA_ADAPTERS = _gauge("lora_adapters", "LoRA adapters with running or waiting requests.", *_M, "state")
MODEL_GPU_MEMORY = _gauge("model_gpu_memory_bytes", "GPU memory held by the model.", *_M, unit="bytes")
REPLICAS_DESIRED = _gauge("replicas_desired", "Replicas that the autoscaler asks for.", *_FLEET)
REPLICAS_READY = _gauge("replicas_ready", "Replicas that can answer.", *_FLEET)
REPLICAS_MAXIMUM = _gauge("replicas_maximum", "Replicas that the autoscaler may ask for at most.", *_FLEET)
PROBE_SUCCESS = _gauge("probe_success", "1 when the last black-box request was answered to its end, else 0.",
                       *_M, c.API)  # fmt: skip
PROBES = _counter("probes_total", "Black-box requests by how they ended.", *_M, c.API, "result")
PROBE_LAST = _gauge("probe_last_timestamp_seconds", "Unix time at which the last black-box request was over.",
                    *_M, c.API, unit="seconds")  # fmt: skip
PROBE_DURATION = _histogram("probe_duration_seconds", "Whole time of black-box requests that were answered to the end.",
                            *_M, c.API, unit="seconds")  # fmt: skip
PROBE_TIME_TO_FIRST_TOKEN = _histogram("probe_time_to_first_token_seconds",
                                       "Time to the first token of black-box requests that were answered to the end.",
                                       *_M, c.API, unit="seconds")  # fmt: skip

# --- GPUs -------------------------------------------------------------------------------------------------------------
GPU_INFO = _gauge("gpu_info", "What the GPU is; always 1.", *_G, "name", "driver_version", "pci_bus_id", "minor")
GPU_WORKLOAD_INFO = _gauge("gpu_workload_info", "Who uses the GPU; always 1. Join on uuid.",
                           *_G, *c.WORKLOAD_LABELS, "sharing")  # fmt: skip
GPU_UP = _gauge("gpu_up", "1 when the driver answers for this GPU.", *_G)
GPU_UTILIZATION = _gauge("gpu_utilization_ratio", "Share of time in which a kernel ran.", *_G, unit="ratio")
GPU_MEMORY_UTILIZATION = _gauge("gpu_memory_utilization_ratio", "Share of time in which memory was read or written.",
                                *_G, unit="ratio")  # fmt: skip
GPU_ENCODER_UTILIZATION = _gauge("gpu_encoder_utilization_ratio", "Share of time the video encoder was busy.",
                                 *_G, unit="ratio")  # fmt: skip
GPU_DECODER_UTILIZATION = _gauge("gpu_decoder_utilization_ratio", "Share of time the video decoder was busy.",
                                 *_G, unit="ratio")  # fmt: skip
GPU_SM_ACTIVE = _gauge("gpu_sm_active_ratio", "Share of multiprocessors with a warp, over time.", *_G, unit="ratio")
GPU_SM_OCCUPANCY = _gauge("gpu_sm_occupancy_ratio", "Resident warps against the maximum.", *_G, unit="ratio")
GPU_TENSOR_ACTIVE = _gauge("gpu_tensor_active_ratio", "Share of time the tensor pipes were busy.", *_G, unit="ratio")
GPU_DRAM_ACTIVE = _gauge("gpu_dram_active_ratio", "Share of time the memory interface was busy.", *_G, unit="ratio")
GPU_MEMORY_USED = _gauge("gpu_memory_used_bytes", "GPU memory in use.", *_G, unit="bytes")
GPU_MEMORY_FREE = _gauge("gpu_memory_free_bytes", "GPU memory that can be allocated.", *_G, unit="bytes")
GPU_MEMORY_RESERVED = _gauge("gpu_memory_reserved_bytes", "GPU memory kept by the driver.", *_G, unit="bytes")
GPU_MEMORY_TOTAL = _gauge("gpu_memory_total_bytes", "GPU memory of the device.",
                          *_G, unit="bytes")  # fmt: skip
GPU_TEMPERATURE = _gauge("gpu_temperature_celsius", "Temperature by sensor.", *_G, "sensor", unit="celsius")
GPU_TEMPERATURE_MARGIN = _gauge("gpu_temperature_margin_celsius", "Degrees left before the nearest slowdown.",
                                *_G, unit="celsius")  # fmt: skip
GPU_POWER = _gauge("gpu_power_watts", "Power drawn.", *_G, unit="watts")
GPU_POWER_LIMIT = _gauge("gpu_power_limit_watts", "Power limit in force.", *_G, unit="watts")
GPU_ENERGY = _counter("gpu_energy_joules_total", "Energy used since the driver was loaded.", *_G, unit="joules")
GPU_CLOCK = _gauge("gpu_clock_hertz", "Clock by domain.", *_G, "domain", unit="hertz")
GPU_CLOCK_MAX = _gauge("gpu_clock_max_hertz", "Highest clock by domain.", *_G, "domain", unit="hertz")
GPU_THROTTLE_ACTIVE = _gauge("gpu_throttle_active", "1 while the clocks are held down for this reason.", *_G, "reason")
GPU_THROTTLE_SECONDS = _counter("gpu_throttle_seconds_total", "Time the clocks were held down, by reason.",
                                *_G, "reason", unit="seconds")  # fmt: skip
GPU_THROTTLE_EVENTS = _counter("gpu_throttle_events_total", "Times that throttling began, by reason.", *_G, "reason")
GPU_THROTTLE_LONGEST = _gauge("gpu_throttle_longest_seconds", "Longest unbroken throttling since the start.",
                              *_G, "reason", unit="seconds")  # fmt: skip
GPU_THROTTLE_LAST = _gauge("gpu_throttle_last_timestamp_seconds", "Unix time at which throttling was last seen.",
                           *_G, "reason", unit="seconds")  # fmt: skip
GPU_THROTTLE_SOURCE = _gauge("gpu_throttle_source", "Where throttle seconds come from; always 1.",
                             *_G, "reason", "source")  # fmt: skip
GPU_XID_ERRORS = _counter("gpu_xid_errors_total", "XID events, by code and by whose fault they are.",
                          *_G, "xid", "owner")  # fmt: skip
GPU_XID_LAST = _gauge("gpu_xid_last_timestamp_seconds", "Unix time of the last event of a code.",
                      *_G, "xid", "owner", unit="seconds")  # fmt: skip
GPU_EVENTS = _counter("gpu_events_total", "Other events that the driver reported, by kind.", *_G, "event")
GPU_ECC_ERRORS = _counter("gpu_ecc_errors_total", "Memory errors.", *_G, "type", "location")
GPU_REMAPPED_ROWS = _counter("gpu_remapped_rows_total", "Memory rows replaced by spares.", *_G, "type")
GPU_ROW_REMAP_PENDING = _gauge("gpu_row_remap_pending", "1 when a row remap waits for a reset.", *_G)
GPU_ROW_REMAP_FAILURE = _gauge("gpu_row_remap_failure", "1 when a row could not be remapped.", *_G)
GPU_RETIRED_PAGES = _counter("gpu_retired_pages_total", "Memory pages retired.", *_G, "cause")
GPU_RECOVERY_ACTION = _gauge("gpu_recovery_action",
                             "0 none, 1 reset, 2 reboot, 3 drain peers, 4 drain and reset.", *_G)  # fmt: skip
GPU_NVLINK_TX = _counter("gpu_nvlink_tx_bytes_total", "Bytes sent over NVLink.", *_G, unit="bytes")
GPU_NVLINK_RX = _counter("gpu_nvlink_rx_bytes_total", "Bytes received over NVLink.", *_G, unit="bytes")
GPU_NVLINK_TX_RATE = _gauge("gpu_nvlink_tx_bytes_per_second", "NVLink traffic sent, by the driver's own measure.",
                            *_G, unit="bytes_per_second")  # fmt: skip
GPU_NVLINK_RX_RATE = _gauge("gpu_nvlink_rx_bytes_per_second", "NVLink traffic received, by the driver's own measure.",
                            *_G, unit="bytes_per_second")  # fmt: skip
GPU_NVLINK_ERRORS = _counter("gpu_nvlink_errors_total", "NVLink errors.", *_G, "type", "link")
GPU_PCIE_TX = _counter("gpu_pcie_tx_bytes_total", "Bytes sent over PCIe.", *_G, unit="bytes")
GPU_PCIE_RX = _counter("gpu_pcie_rx_bytes_total", "Bytes received over PCIe.", *_G, unit="bytes")
GPU_PCIE_TX_RATE = _gauge("gpu_pcie_tx_bytes_per_second", "PCIe traffic sent, by the driver's own measure.",
                          *_G, unit="bytes_per_second")  # fmt: skip
GPU_PCIE_RX_RATE = _gauge("gpu_pcie_rx_bytes_per_second", "PCIe traffic received, by the driver's own measure.",
                          *_G, unit="bytes_per_second")  # fmt: skip
GPU_PCIE_REPLAYS = _counter("gpu_pcie_replays_total", "PCIe packets sent again.", *_G)
GPU_PCIE_GENERATION = _gauge("gpu_pcie_link_generation", "PCIe generation in use.", *_G)
GPU_PCIE_GENERATION_MAX = _gauge("gpu_pcie_link_generation_max", "Highest PCIe generation of the slot.", *_G)
GPU_PCIE_WIDTH = _gauge("gpu_pcie_link_width", "PCIe lanes in use.", *_G)
GPU_PCIE_WIDTH_MAX = _gauge("gpu_pcie_link_width_max", "PCIe lanes of the slot.", *_G)
GPU_FAN = _gauge("gpu_fan_ratio", "Fan speed against its maximum.", *_G, unit="ratio")
GPU_PROCESS_MEMORY = _gauge("gpu_process_memory_bytes", "GPU memory held by a process.", *_G, "pid", "process",
                            *c.WORKLOAD_LABELS, unit="bytes")  # fmt: skip
GPU_EXPECTED = _gauge("gpu_expected", "GPUs that the node should have.", c.HOST_NAME)
GPU_METRIC_SUPPORTED = _gauge("gpu_metric_supported", "0 when this part cannot give a signal.", *_G, "signal")
HOST_OOM_KILLS = _counter("host_oom_kills_total", "Processes that the kernel killed for want of memory, the host's or a container's.",
                          c.HOST_NAME)  # fmt: skip
CONTAINER_OOM_KILLS = _counter("container_oom_kills_total", "Processes of a container that the kernel killed for want of memory.",
                               c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, c.K8S_CONTAINER, c.CONTAINER_ID)  # fmt: skip

# --- detectors, pager, exporter ---------------------------------------------------------------------------------------
DRIFT_SCORE = _gauge("drift_score", "Score of a drift detector as a share of its limit: 1 and above is drift. Absent when it cannot tell.",
                     c.MODEL, c.FEATURE, c.DETECTOR)  # fmt: skip
DRIFT_DETECTED = _gauge("drift_detected", "1 while a detector finds drift. Absent when it cannot tell.",
                        c.MODEL, c.FEATURE, c.DETECTOR)  # fmt: skip
DRIFT_REFERENCE_INFO = _gauge("drift_reference_info", "The reference in use; always 1.", c.MODEL, "reference")
WATCH_LAST_SUCCESS = _gauge("watch_last_success_timestamp_seconds", "Last complete round of the detectors.",
                            unit="seconds")  # fmt: skip
WATCH_SUCCESS = _gauge("watch_success", "1 when the last round could ask about a model, 0 when its reference or the counts of a feature could not be had.",
                       c.MODEL)  # fmt: skip
WATCH_COUNTED_UNTIL = _gauge("watch_counted_until_timestamp_seconds", "End of the last five minutes in which requests of the model were counted.",
                             c.MODEL, unit="seconds")  # fmt: skip
WATCH_ROUND = _gauge("watch_round_seconds", "Time of the last round of the detectors.", unit="seconds")
WATCHER_SIGNALS = (
    DRIFT_SCORE, DRIFT_DETECTED, DRIFT_REFERENCE_INFO, WATCH_LAST_SUCCESS, WATCH_SUCCESS, WATCH_COUNTED_UNTIL,
    WATCH_ROUND,
)  # fmt: skip
"""What is there only where detectors run, beside the exporters."""
FEATURE_VALUES = _counter("feature_values_total", "Values of a feature, by the bin of its reference that they fall into.",
                          c.MODEL, c.FEATURE, c.BIN)  # fmt: skip
FEATURE_REFERENCE_SHARE = _gauge("feature_reference_share", "Share of a bin in the reference, half a row added to each.",
                                 c.MODEL, c.FEATURE, c.BIN)  # fmt: skip
FEATURE_BIN_SCORE = _gauge("feature_bin_score", "What a value in this bin adds to the location statistic, in standard deviations.",
                           c.MODEL, c.FEATURE, c.BIN)  # fmt: skip
FEATURE_BINS_CHECKSUM = _gauge("feature_bins_checksum", "Tells the bins of a feature from those of another reference.",
                               c.MODEL, c.FEATURE)  # fmt: skip
FEATURE_SIGNALS = (FEATURE_VALUES, FEATURE_REFERENCE_SHARE, FEATURE_BIN_SCORE, FEATURE_BINS_CHECKSUM)
"""What a server tells that counts its features (`atlas_ops.instrument.FeatureCounter`)."""
PAGER_RECEIVED = _counter("pager_received_total", "Webhooks from Alertmanager, by how they were answered.", "result")
PAGER_DELIVERED = _counter("pager_delivered_total", "Messages that Slack accepted.", "kind")
PAGER_RETRIED = _counter("pager_retried_total", "Deliveries that have to be tried again, by reason.", "reason")
PAGER_QUEUE = _gauge("pager_queue", "Incidents with something still to be delivered.")
PAGER_DELIVERY_LATENCY = _histogram("pager_delivery_seconds", "Time from the webhook to Slack's acceptance.",
                                    unit="seconds")  # fmt: skip
PAGER_DEEDS = _counter(
    "pager_deeds_total", "What people did about incidents, by Slack's buttons or on the console.", "act"
)
PAGER_TOLD = _counter(
    "pager_told_total", "Messages to people beside the channel of pages: escalations, and pages while Slack is down.",
    "way", "result",
)  # fmt: skip
PAGER_LAST_HEARTBEAT = _gauge("pager_last_heartbeat_timestamp_seconds", "Last heartbeat that came through.",
                              unit="seconds")  # fmt: skip
PAGER_ALERTMANAGER_UP = _gauge("pager_alertmanager_up", "1 when Alertmanager last told the pager of its silences.")
PAGER_SOCKET_UP = _gauge(
    "pager_socket_up", "1 while Slack's buttons reach the pager over Socket Mode; absent without it."
)
EXPORTER_COLLECTOR_SUCCESS = _gauge("exporter_collector_success", "1 when the collector's last run worked.",
                                    "collector")  # fmt: skip
EXPORTER_COLLECTOR_DURATION = _gauge("exporter_collector_duration_seconds", "Time of the collector's last run.",
                                     "collector", unit="seconds")  # fmt: skip
EXPORTER_SNAPSHOT_AGE = _gauge("exporter_snapshot_age_seconds", "Age of a collector's data on this page.",
                               "collector", unit="seconds")  # fmt: skip
EXPORTER_TICK_GAP = _gauge("exporter_sampler_tick_gap_seconds", "Longest gap between two samples of a GPU in the last minutes.",
                           "collector", c.GPU, unit="seconds")  # fmt: skip
EXPORTER_CALL_IN_FLIGHT = _gauge("exporter_gpu_call_in_flight_seconds",
                                 "Age of the oldest driver call about a GPU that has not returned; 0 when there is none.",
                                 "collector", c.GPU, unit="seconds")  # fmt: skip
EXPORTER_GPU_FAILING = _gauge(
    "exporter_gpu_questions_failing", "Questions to the driver that fail or hang just now.", "collector", c.GPU
)
EXPORTER_SCRAPES = _counter("exporter_scrapes_total", "Pages served.")
EXPORTER_REFUSED = _counter("exporter_refused_requests_total", "Requests that got no page, by reason.", "reason")
EXPORTER_RELOAD_SUCCESS = _gauge("exporter_reload_success", "1 when the last reload of the settings worked.")
EXPORTER_RELOAD_LAST = _gauge("exporter_reload_last_success_timestamp_seconds", "Last reload of the settings that worked.",
                              unit="seconds")  # fmt: skip
EXPORTER_DISCOVERY_SUCCESS = _gauge("exporter_discovery_success",
                                    "1 when it is known which servers there are, 0 when that may be out of date.",
                                    "source")  # fmt: skip
EXPORTER_DISCOVERED_SERVERS = _gauge("exporter_discovered_servers", "Servers found, by where they were looked for.",
                                     "source")  # fmt: skip
EXPORTER_PUSHES = _counter("exporter_otlp_pushes_total", "Pushes to an OpenTelemetry receiver, by result.", "result")
EXPORTER_DROPPED = _counter("exporter_dropped_samples_total", "Native samples left out, by reason.",
                            c.RUNTIME, c.SERVER, "reason")  # fmt: skip
EXPORTER_CPU = _counter("exporter_cpu_seconds_total", "Processor time that the exporter used.", unit="seconds")
EXPORTER_MEMORY = _gauge("exporter_memory_bytes", "Memory resident for the exporter.", unit="bytes")
BUILD_INFO = _gauge("build_info", "Version of atlas-ops; always 1.", "version")

SIGNALS: tuple[Signal, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Signal))
"""Every signal, in the order above."""
