"""The operator as users have it: a real process against a real API server and real services.

Here belong the operator process (`operators.py`), the services it calls (`services.py`), the
reading of whole histories (`history.py`) and tests that need all of them. What is true without a
process of its own is tested beside its package.
"""
