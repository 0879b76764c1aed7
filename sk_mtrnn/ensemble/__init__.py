"""Several networks that answer as one.

`DeepEnsemble` fits one estimator from several seeds and averages what they predict: it is more
accurate than a single network, and how far its members differ says how sure it is.
"""

from ._deep_ensemble import DeepEnsemble

__all__ = ["DeepEnsemble"]
