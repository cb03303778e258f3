"""Is a data set what it says it is? And are its rows the only ones that could be made?"""

__all__: list[str] = []
