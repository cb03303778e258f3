"""Utilities without a domain: atomic folders, digests, records, progress, bounded tasks, waiting for coroutines."""

__all__: list[str] = []
