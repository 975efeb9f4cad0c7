"""python -m edgekit.pycoral PROGRAM ARGUMENTS...: runs a program that imports pycoral, as `python PROGRAM` would."""

import sys


def main() -> None:
    """Imports the library before anything in the current folder can take the name of one of its modules."""
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the current folder, which `python -m` puts there
    loaded = frozenset(sys.modules)
    from edgekit.pycoral.program import run

    run(sys.argv[1:], loaded)


if __name__ == "__main__":
    main()
