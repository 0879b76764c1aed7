"""The ways to treat holes, by what they do."""

from typing import NamedTuple


class HandlingOfHoles(NamedTuple):
    """What a way to treat holes does.

    Attributes
    ----------
    allows : bool
        Whether there may be holes at all.
    carries : bool
        Whether the last observed value of the sequence stands for one; else, and before the first
        observation, the mean of the channel in training does.
    tells : bool
        Whether the network sees, for every channel that had holes in training, if it is observed
        and how long ago it was.
    decays : bool
        Whether inputs and states decay in between, as the network learns.
    """

    allows: bool
    carries: bool
    tells: bool
    decays: bool


MISSING = {
    "error": HandlingOfHoles(allows=False, carries=False, tells=False, decays=False),
    "mean": HandlingOfHoles(allows=True, carries=False, tells=False, decays=False),
    "forward": HandlingOfHoles(allows=True, carries=True, tells=False, decays=False),
    "mask": HandlingOfHoles(allows=True, carries=True, tells=True, decays=False),
    "decay": HandlingOfHoles(allows=True, carries=True, tells=True, decays=True),
}
