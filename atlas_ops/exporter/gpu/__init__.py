"""GPUs of any vendor: what a backend offers, the threads that ask it, and what is known of each GPU.

`collector.GpuCollector` is what `atlas_ops.cli.exporter` makes; the backends are `exporter.nvml` and `exporter.amd`.
"""
