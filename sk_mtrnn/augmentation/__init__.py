"""How the sequences of a training batch vary from epoch to epoch.

The estimators take a list of augmentations as ``augmentation``. Each time a batch is cut, they act
on a copy of it, one after another: noise (`Jitter`), another amplitude (`Scale`), steps or channels
that are not seen (`TimeMask`, `ChannelMask`), time that runs unevenly (`TimeWarp`), or a part of it
only (`WindowCrop`). Labels per step go with their steps. Nothing is altered in validation or
prediction. Only numbers are altered: codes of categories and time stamps are moved, never changed.

An object holds options only; all chance comes from the generator it is given. One of your own is an
`Augmentation`.
"""

from ._base import Augmentation, Batch, Channels
from ._channel_mask import ChannelMask
from ._jitter import Jitter
from ._resolve import resolve_augmentation
from ._scale import Scale
from ._time_mask import TimeMask
from ._time_warp import TimeWarp
from ._window_crop import WindowCrop

__all__ = [
    "Augmentation",
    "Batch",
    "ChannelMask",
    "Channels",
    "Jitter",
    "Scale",
    "TimeMask",
    "TimeWarp",
    "WindowCrop",
    "resolve_augmentation",
]
