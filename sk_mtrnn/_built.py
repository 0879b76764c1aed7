"""What an object of options builds, checked: it may be somebody else's."""


def built(system, context, kind):
    """Let a system build its module.

    Parameters
    ----------
    system : Sharing, TaskRelation or TaskWeighting
    context : object
        What it is told.
    kind : type
        What it is to build.

    Raises
    ------
    TypeError
        If it builds something else.
    """
    module = system.build(context)
    if not isinstance(module, kind):
        raise TypeError(
            f"{type(system).__name__}.build must return a {kind.__name__}, found "
            f"{type(module).__name__}."
        )
    return module
