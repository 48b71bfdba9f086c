"""The PCIe link and the NVLinks."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target
from atlas_ops.simulator.state import LinkErrors

KINDS = ("replay", "recovery", "crc_flit", "crc_data", "ecc")
"""`nvmlNvLinkErrorCounter_t`, in its order."""


def check_link(target: Target, link: int) -> None:
    """Refuse where there are no NVLinks, or not this one."""
    c.need(target.profile.nvlinks)
    if not 0 <= link < target.profile.nvlinks:
        raise Refused(INVALID_ARGUMENT)


def link_up(target: Target, link: int) -> bool:
    """Return whether a link works."""
    check_link(target, link)
    return link not in target.state.nvlink.down


def link_errors(target: Target, kind: str, link: int) -> int:
    """Return the errors of one kind on one link."""
    check_link(target, link)
    return sum(_count(errors, kind) for errors in target.state.nvlink.errors if errors.link == link)


def all_link_errors(target: Target, kind: str) -> int:
    """Return the errors of one kind on all links."""
    c.need(target.profile.nvlinks)
    return sum(_count(errors, kind) for errors in target.state.nvlink.errors)


def _count(errors: LinkErrors, kind: str) -> int:
    return int(getattr(errors, kind))


def _generation(target: Target) -> int:
    return target.state.pcie.generation or target.profile.pcie_generation


def _width(target: Target) -> int:
    return target.state.pcie.width or target.profile.pcie_width


def _link_error_counter(target: Target, link: Any, kind: Any, out: Any) -> None:
    if not 0 <= c.number(kind) < len(KINDS):
        raise Refused(INVALID_ARGUMENT)
    c.put(out, link_errors(target, KINDS[c.number(kind)], c.number(link)))


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetPcieReplayCounter", lambda target, out: c.put(out, target.state.pcie.replays)),
    ("nvmlDeviceGetCurrPcieLinkGeneration", lambda target, out: c.put(out, _generation(target))),
    ("nvmlDeviceGetCurrPcieLinkWidth", lambda target, out: c.put(out, _width(target))),
    ("nvmlDeviceGetMaxPcieLinkGeneration", lambda target, out: c.put(out, target.profile.pcie_generation)),
    ("nvmlDeviceGetMaxPcieLinkWidth", lambda target, out: c.put(out, target.profile.pcie_width)),
    ("nvmlDeviceGetNvLinkState", lambda target, link, out: c.put(out, link_up(target, c.number(link)))),
    ("nvmlDeviceGetNvLinkErrorCounter", _link_error_counter),
)
