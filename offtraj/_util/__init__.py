"""What every package needs and none is about: files that appear whole, digests, records, progress, bounded tasks."""

__all__: list[str] = []
