"""How the K task losses of a batch become one number, or one gradient.

A weighting turns losses L_1, ..., L_K into the scalar that training minimises; the weight of task k
in a batch is ∂ total / ∂ L_k. Weights may be given (`FixedWeights`), measured once before training
(`RelatednessWeighting`), follow the losses from epoch to epoch (`DynamicWeightAverage`) or from
batch to batch (`FAMO`, `GeometricMean`), follow the gradients (`GradNorm`), be learned along with
the network (`UncertaintyWeighting`), or be drawn (`RandomLossWeighting`). The estimators take one
as ``task_weights``, by its name in `WEIGHTINGS` or as an object that sets its options. An object
holds options only; what a system learns lives in the `Weigher` it builds.

Where the gradients of tasks point in opposite directions, no positive weights may help all of them.
`AGGREGATIONS` names the ways of combining K gradients rather than K losses, computed by TorchJD.
"""

from ._aggregation import AGGREGATIONS, GradientAggregation, resolve_aggregation
from ._base import TaskWeighting, Weigher, WeightingContext
from ._dwa import DynamicWeightAverage
from ._famo import FAMO
from ._fixed import FixedWeigher, FixedWeights, resolve_task_weights
from ._geometric import GeometricMean
from ._gradnorm import GradNorm
from ._relatedness import RelatednessWeighting
from ._resolve import WEIGHTINGS, resolve_weighting
from ._rlw import RandomLossWeighting
from ._uncertainty import UncertaintyWeighting

__all__ = [
    "AGGREGATIONS",
    "FAMO",
    "WEIGHTINGS",
    "DynamicWeightAverage",
    "FixedWeigher",
    "FixedWeights",
    "GeometricMean",
    "GradNorm",
    "GradientAggregation",
    "RandomLossWeighting",
    "RelatednessWeighting",
    "TaskWeighting",
    "UncertaintyWeighting",
    "Weigher",
    "WeightingContext",
    "resolve_aggregation",
    "resolve_task_weights",
    "resolve_weighting",
]
