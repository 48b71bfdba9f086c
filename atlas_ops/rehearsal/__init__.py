"""Rehearsals: scenarios of the simulator through the rules of a real Prometheus, faster than real time, and what comes of it.

`play` lets a scenario run in simulated time and takes the samples that the exporter would publish; `replay` loads them
into an empty Prometheus and asks it for every rule at every evaluation; `alerting` and `inhibition` do what Prometheus and
Alertmanager make of that; `verdict` and `report` say how it went. Called by `atlas_ops.cli.rehearse`. Needs the extra
`rehearse` (numpy).
"""
