"""Whole processes on virtual time, in one thread, driven by a seed.

Here are the machine (scheduler, loops, clocks), the network between processes, the API server
and services, and the fates that disturb them. What is run on it, and how it is judged, is the
business of tests/simulation and perdure.verification. Source: docs/proof.md#simulation.
"""
