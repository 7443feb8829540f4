class UserError(Exception):
    """An error the user can fix. The message says what, where, how many, and what to run next.

    The command line prints it without a traceback and exits 1; an asset turns it into a `dagster.Failure` that is not
    retried.
    """
