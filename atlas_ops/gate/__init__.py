"""Compares a canary with the baseline and gives a verdict: what `atlas-ops gate` does. `detect.gate` has the mathematics.

`reading` makes runs of result files, `histograms` of what Prometheus knows (which `windows` asks), `interleaved` by running load itself;
`judge` compares them, `suspicions` and `doubts` say what is wrong with them, `report` tells of it.
"""
