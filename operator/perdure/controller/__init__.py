"""The process around the engine: kopf's frame for definitions, probes, metrics, logs.

Nothing else imports kopf. Handlers parse, make one call and return: no decisions here.
"""
