"""Reads Parquet, CSV and JSON lines in batches of rows, with memory that does not grow with the files. Used by `drift fit` and `drift check`."""
