"""Studies of training: the pocket models, trained from scratch."""

__all__: list[str] = []
