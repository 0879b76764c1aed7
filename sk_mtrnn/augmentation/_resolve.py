"""From the parameter `augmentation` to what acts on a batch."""

from sklearn.base import clone

from ._base import Augmentation


def resolve_augmentation(augmentation):
    """Make the augmentations that the parameter ``augmentation`` means.

    Parameters
    ----------
    augmentation : None, Augmentation or list of Augmentation
        They act one after another, in this order.

    Returns
    -------
    tuple of Augmentation
        Clones.

    Raises
    ------
    ValueError
        If it is anything else, or an option of one is invalid.

    Examples
    --------
    >>> from sk_mtrnn.augmentation import Jitter, TimeMask, resolve_augmentation
    >>> resolve_augmentation([Jitter(), TimeMask(share=0.1)])
    (Jitter(), TimeMask(share=0.1))
    """
    if augmentation is None:
        return ()
    given = augmentation if isinstance(augmentation, (list, tuple)) else [augmentation]
    for entry in given:
        if not isinstance(entry, Augmentation):
            raise ValueError(
                "augmentation must be None, an object of sk_mtrnn.augmentation or a list of them, "
                f"found {entry!r}."
            )
    resolved = tuple(clone(entry) for entry in given)
    for entry in resolved:
        entry._validate_params()
    return resolved
