"""The API server, behind ports: client, informer, objects, presence, and the history store.

Here belong HTTP, watches, the stored form of histories and everything that knows how Kubernetes
answers; aiohttp and orjson are used here and do not leave. What a turn decides, and when it runs,
belongs to `perdure.runtime`; what a resource may contain to `perdure.resources`.
"""
