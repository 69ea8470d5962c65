"""The one error that a user can cause."""


class CalcarineError(ValueError):
    """Report what was expected, what came, and what to do.

    The command line prints the message without a traceback and ends with exit code 2.
    """
