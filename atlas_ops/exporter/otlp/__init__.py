"""Pushes signals of GPUs and of the host to an OpenTelemetry receiver: OTLP over HTTP, an option.

`push` is the entrance; `names` says what is called how, `series` turns samples into points in time, `sender` alone
knows the OpenTelemetry packages.
"""
