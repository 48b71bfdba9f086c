"""A stand-in for NVIDIA's C library, `libnvidia-ml.so.1`, over simulated GPUs.

The binding (nvidia-ml-py) looks functions up on its library object by their C names and hands them ctypes arguments; an
object with plain Python functions of those names takes the library's place, and everything above that boundary is real:

    node = SimulatedNode("h100", driver="580.82", gpus=8)     # atlas_ops.simulator.node: GPUs whose state a test sets
    pynvml.nvmlLib = node.library                             # or NvmlLibrary(read) over anything that reads GpuStates
    node.change(0, power_watts=500.0)
    node.throttle(0, reasons.HW_THERMAL)                      # counted exactly, until node.throttle(0, 0)
    node.xid(0, 79)
    node.set_condition(1, WEDGED)                             # its calls block until HEALTHY again

What a part does not have answers NOT_SUPPORTED (`simulator.profiles`); functions that a driver's version does not have
raise AttributeError (`simulator.drivers`), which the binding reports as a function that was not found. `simulator.chaos`
makes single functions fail.
"""

from __future__ import annotations

from atlas_ops.simulator.nvml.library import NvmlLibrary

__all__ = ["NvmlLibrary"]
