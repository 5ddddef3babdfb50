"""The log of turns on the API server: docs/log.md."""
