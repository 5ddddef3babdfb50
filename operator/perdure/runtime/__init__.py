"""The runtime: turns, the queue that orders them, what is in flight, who is alive.

It knows ports, not libraries: no Kubernetes, no HTTP, no pydantic. Read `turn` first.
"""
