"""NVIDIA GPUs through NVML, the library of the driver: a backend of `exporter.gpu.collector`.

`binding.Nvml` is what `atlas_ops.cli.exporter` makes, and the only importer of pynvml.
"""
