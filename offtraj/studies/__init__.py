"""Studies of training: the pocket models, trained from nothing."""

__all__: list[str] = []
