"""`python -m offtraj`."""

from offtraj.cli import main

if __name__ == "__main__":
    main()
