"""A stand-in for alibi-detect, which takes 1 GB and has a licence of its own: the five detectors that are offered, as far as they are used.

Parameters, results and refusals are those measured of alibi-detect 0.13.0; `tests/nightly/test_alibi.py` compares them with the real
package. The tests behind it are coarser than scipy's.
"""
