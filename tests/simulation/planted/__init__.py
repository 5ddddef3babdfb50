"""Planted bugs: small changes of the product that break one rule each, and the hunt for them.

A proof that finds nothing proves nothing until it has been seen to find something. Each `Mutant`
is applied to a copy of the product; the simulation has to catch it. The mutants stand in one file
per theme, all of them in `catalogue.py`. What hunts, counts and prints them is here, too; what is
simulated and what judges it is not.

    python -m tests.simulation.planted [NAME …]
"""
