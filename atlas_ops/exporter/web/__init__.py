"""The HTTP side of the exporter: who may ask, how long an answer may take, and how it goes over the wire.

`server.Server` is what `exporter.service` makes; `guard.Guard` holds what the web-config file says.
"""
