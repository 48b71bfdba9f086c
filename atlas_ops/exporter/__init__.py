"""The exporter: measures GPUs and model servers and serves one page in the words of the contract."""
