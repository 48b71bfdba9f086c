"""Prints our samples once more under the names of dcgm-exporter, so that its dashboards and alerts go on working.

Called for every page while `exporter.compat` is `dcgm`; `dcgm_fields` says what is what. What is not measured is left
out, never 0. Decisions where dcgm-exporter leaves a choice or is wrong:

- A GPU used by several workloads (time-slicing, MPS) keeps one series, with the labels `namespace`, `pod` and
  `container` that all of them agree on: one series for each pod would count the same watts several times in a sum.
- A MIG instance carries the UUID of its GPU, GPU_I_ID and GPU_I_PROFILE, and its value stands instead of the GPU's own,
  for the same reason. Only the last XID is told for both.
- Label values are escaped, which dcgm-exporter does not do. Its labels `err_code` and `err_msg` of XID_ERRORS are not
  there: each error would begin a new series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter.dcgm_fields import FIELDS, Field
from atlas_ops.exporter.page import escape, number
from atlas_ops.exporter.samples import Labels, Sample

_XID = Field("DCGM_FI_DEV_XID_ERRORS", SignalType.GAUGE, "Code of the last XID, 0 before the first.", ())
_WORKLOAD_LABELS = (("container", c.K8S_CONTAINER), ("namespace", c.K8S_NAMESPACE), ("pod", c.K8S_POD))
_MIG_NAME = " MIG "
"""Stands between the model and the profile in the driver's name of an instance: `NVIDIA A100-SXM4-40GB MIG 1g.5gb`."""
_DECIMALS = 6
"""As many as dcgm-exporter prints; hides what binary fractions do to a conversion (0.57 * 100)."""


class _Device(NamedTuple):
    """A GPU, or a part of one (then `mig` is `GPU instance/compute instance`)."""

    gpu: str
    uuid: str
    mig: str
    host_name: str


_Values = dict[_Device, float]
_LABELS = {part.signal.name: part.where[0] for field in FIELDS for part in field.parts}
"""{name of a signal: the label by which its samples are selected}."""


def _index(fields: Iterable[Field]) -> dict[tuple[str, str], list[tuple[str, float]]]:
    index: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for field in fields:
        for part in field.parts:
            index.setdefault((part.signal.name, part.where[1]), []).append((field.name, part.factor))
    return index


_PARTS = _index(FIELDS)
"""{(name of a signal, value of that label): [(name of a field, factor)]}."""


def render(samples: Sequence[Sample], openmetrics: bool) -> str:
    """Return the lines of dcgm-exporter's metrics, without an end mark; empty when there is no GPU.

    OpenMetrics knows no counter without `_total` in its name, so there they are typed `unknown`.
    """
    labels = _Labels(samples)
    lines: list[str] = []
    values = {_XID.name: _last_xids(samples), **_sums(samples)}
    for field in (*FIELDS, _XID):
        if found := values.get(field.name):
            lines += _family(field, found, labels, openmetrics)
    return "\n".join(lines) + "\n" if lines else ""


def _family(field: Field, values: _Values, labels: _Labels, openmetrics: bool) -> list[str]:
    told = "unknown" if openmetrics and field.type is SignalType.COUNTER else field.type.value
    series: dict[str, str] = {}
    for device, value in values.items():
        # Compute instances of one GPU instance share their labels: the first is told, as Prometheus refuses a second.
        series.setdefault(labels.of(device), number(round(value, _DECIMALS)))
    lines = [f"# HELP {field.name} {field.help}", f"# TYPE {field.name} {told}"]
    return lines + [f"{field.name}{{{text}}} {value}" for text, value in series.items()]


def _sums(samples: Iterable[Sample]) -> dict[str, _Values]:
    """Return {name of a field: {device: value}}. A sample that comes twice is counted once."""
    terms: dict[str, dict[_Device, dict[tuple[str, Labels], float]]] = {}
    for sample in samples:
        name = sample.signal.name
        if (label := _LABELS.get(name)) is not None:
            found = dict(sample.labels)
            for field, factor in _PARTS.get((name, found.get(label, "")), ()):
                of_device = terms.setdefault(field, {}).setdefault(_device(found), {})
                of_device.setdefault((name, sample.labels), sample.value * factor)
    return {name: _without_wholes({at: sum(some.values()) for at, some in by.items()}) for name, by in terms.items()}


def _without_wholes(values: _Values) -> _Values:
    """Leave out a GPU where its MIG instances have the same metric."""
    divided = {device.gpu for device in values if device.mig}
    return {device: value for device, value in values.items() if device.mig or device.gpu not in divided}


def _last_xids(samples: Iterable[Sample]) -> _Values:
    """Return the code of the last XID of each device that reports them; 0 where none has come."""
    last: dict[_Device, tuple[float, int]] = {}
    for sample in samples:
        if sample.signal is s.GPU_XID_ERRORS or sample.signal is s.GPU_XID_LAST:
            found = dict(sample.labels)
            code = found.get("xid", "")
            if code.isdecimal():
                happened = sample.value > 0
                time = sample.value if sample.signal is s.GPU_XID_LAST else 0.0
                candidate = (time, int(code)) if happened else (-1.0, 0)
                device = _device(found)
                last[device] = max(last.get(device, candidate), candidate)
    return {device: float(code) for device, (_, code) in last.items()}


def _device(found: Mapping[str, str]) -> _Device:
    return _Device(found.get(c.GPU, ""), found.get(c.UUID, ""), found.get(c.MIG, ""), found.get(c.HOST_NAME, ""))


class _Labels:
    """The labels of dcgm-exporter for each device, joined from who it is and who uses it."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._identities: dict[_Device, Mapping[str, str]] = {}
        self._wholes: dict[str, _Device] = {}
        self._workloads: dict[_Device, list[Mapping[str, str]]] = {}
        self._texts: dict[_Device, str] = {}
        for sample in samples:
            if sample.signal is s.GPU_INFO:
                found = dict(sample.labels)
                device = _device(found)
                self._identities[device] = found
                if not device.mig:
                    self._wholes[device.gpu] = device
            elif sample.signal is s.GPU_WORKLOAD_INFO:
                found = dict(sample.labels)
                self._workloads.setdefault(_device(found), []).append(found)

    def of(self, device: _Device) -> str:
        """Return what stands between the braces."""
        if device not in self._texts:
            pairs = (*self._who(device), *self._user(device))
            self._texts[device] = ",".join(f'{name}="{escape(value)}"' for name, value in pairs if value)
        return self._texts[device]

    def _who(self, device: _Device) -> Labels:
        whole = self._wholes.get(device.gpu, device) if device.mig else device
        identity = self._identities.get(whole, {})
        model, _, profile = self._identities.get(device, {}).get("name", "").partition(_MIG_NAME)
        return (
            ("gpu", device.gpu),
            ("UUID", whole.uuid),
            ("pci_bus_id", identity.get("pci_bus_id", "")),
            ("device", f"nvidia{device.gpu}"),
            ("modelName", identity.get("name", model).partition(_MIG_NAME)[0]),
            ("GPU_I_PROFILE", profile),
            ("GPU_I_ID", device.mig.partition("/")[0]),
            ("Hostname", device.host_name),
            ("DCGM_FI_DRIVER_VERSION", identity.get("driver_version", "")),
        )

    def _user(self, device: _Device) -> Labels:
        users = self._workloads.get(device, [])
        return tuple(
            (theirs, users[0].get(ours, ""))
            for theirs, ours in _WORKLOAD_LABELS
            if len({user.get(ours, "") for user in users}) == 1
        )
