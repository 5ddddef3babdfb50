"""Real operator processes against a real API server while everything around them fails.

`python -m tests.chaos --minutes 2 --seed 7 --operators 3`. Each operator reaches the API server
through a proxy of its own (`wire.py` for bytes, `exchange.py` for messages) and the service through
a wire; a plan from one seed (`plan.py`) says what fails when; `conductor.py` carries it out while
`crowd.py` makes users of it. `witness.py` reads every accepted write from etcd itself, so that
nothing that fails can hide one. In the end `verdict.py` judges: docs/proof.md.
"""
