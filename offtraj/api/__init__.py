"""The Python API, as `import offtraj` exports it: typed functions and values over the packages below.

Parsing arguments, printing and exit codes are left to `offtraj.cli`.
"""

__all__: list[str] = []
