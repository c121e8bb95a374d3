"""CSV and Parquet in, with a report on every file; CSV out.

`files.read` takes a file's bytes and gives a `Table` (bars or trades by instrument) with a `Report`
of what was taken for what and which lines were left out; `pairing.pair_from` picks two legs out of
one or two tables; `writer` gives CSV in chunks of bytes.
"""
