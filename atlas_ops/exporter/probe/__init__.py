"""The black-box probe: a small request, sent now and then as a user would send it, whose answer is read to its end.

It finds what no metrics page tells: errors inside HTTP 200, streams that are cut off, engines that hang behind a healthy
`/metrics`. Opt-in for each model (`servers[].probes`). `collector` is what the exporter runs, `prober` sends one request.
"""
