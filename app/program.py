"""Where the program `deployment-ledger` starts, and nothing else.

Each worker of the service loads this module once more, as it is how the process was started that started it:
what is not loaded here is one thing less to wait for when a worker is replaced.
"""

from importlib import import_module


def main() -> None:
    """Run the command line of this process and exit."""
    import_module("app.cli").main()
