"""Finds the model servers that nobody named: in files of Prometheus's `file_sd` form, and among the pods of this node.

Each source is a collector of its own, with a thread of its own (`files`, `kubernetes`); the command asks it for its
servers every second and plans a collector for each of them.
"""
