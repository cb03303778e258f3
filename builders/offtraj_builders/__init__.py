"""The protocol: which questions qualify, how steers are made, which rows a spec and its samples give."""

__all__: list[str] = []
