"""Pure mathematics of drift, regression and capacity: numpy in, numpy out, no file, clock or network.

Called by `atlas_ops.drift`, `atlas_ops.gate` and the commands. Distributions are counts in frozen bins, which add over pods and time.
"""
