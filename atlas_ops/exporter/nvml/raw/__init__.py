"""Raw answers of NVML as lines of a file: how a call looks in it, which ids are masked, how it is read.

Shared by `exporter.nvml.record`, which writes such files, and `exporter.nvml.replay`, which answers from them.
"""
