"""Why a command does not begin."""


class StartRefused(Exception):
    """Something keeps the service, or a command, from starting; the text is for the operator."""
