"""Whose GPU and whose process it is: pods by the kubelet's word, everything else by control groups.

`collector` is the entry; the exporter's command hands it to the GPU collector as `gpu.backend.Workloads`.
"""
