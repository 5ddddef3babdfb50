"""`make bench`: what the engine costs and how fast it is, beside the raw API server, in one run.

Figures are printed as a table and written to `build/bench.json`:
`{"figure.name": {"value": …, "unit": …}}`. Machines are shared: read ratios and counts.
"""
