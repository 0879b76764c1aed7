"""The systems between tasks that the estimators' parameters name, and which go together."""

from typing import NamedTuple

from ..relations import TaskRelation, resolve_relation
from ..sampling import Batching, resolve_batching
from ..sharing import Sharing, resolve_sharing
from ..weighting import (
    GradientAggregation,
    TaskWeighting,
    resolve_aggregation,
    resolve_weighting,
)


class Systems(NamedTuple):
    """One object for each of them, none of which is the estimator's own.

    Attributes
    ----------
    sharing : Sharing
    relation : TaskRelation
    weighting : TaskWeighting
    aggregation : GradientAggregation or None
    batching : Batching
    """

    sharing: Sharing
    relation: TaskRelation
    weighting: TaskWeighting
    aggregation: GradientAggregation | None
    batching: Batching

    @classmethod
    def of(cls, estimator, task_set):
        """Resolve an estimator's parameters for some tasks; those added later weigh 1.

        Raises
        ------
        ValueError
            If two of them do not go together.
        ImportError
            If a library is missing.
        """
        e = estimator
        aggregation = e.gradient_aggregation
        systems = cls(
            resolve_sharing(e.sharing),
            resolve_relation(e.task_relation),
            resolve_weighting(e.task_weights, task_set.names, task_set.n_added),
            None if aggregation is None else resolve_aggregation(aggregation),
            resolve_batching(e.batching),
        )
        systems.check(e)
        return systems

    @property
    def needs_relatedness(self):
        """Whether any of them asks how related the tasks are."""
        return self.relation.needs_relatedness or self.weighting.needs_relatedness

    def check(self, estimator):
        """Refuse what cannot be combined; the messages say why."""
        e = estimator
        if self.aggregation is not None and not self.weighting.is_fixed:
            raise ValueError(
                "gradient_aggregation needs task_weights that are fixed, as both decide how the "
                f"gradients of the tasks are summed; found {e.gradient_aggregation!r} and "
                f"task_weights={e.task_weights!r}."
            )
        if e.amp and (self.aggregation is not None or self.weighting.needs_shared):
            name = "gradient_aggregation" if self.aggregation is not None else "task_weights"
            raise ValueError(
                f"amp=True scales gradients, which {name}={getattr(e, name)!r} compares; they do "
                "not go together."
            )
        if self.batching.one_task and self.aggregation is not None:
            raise ValueError(
                "gradient_aggregation needs the gradients of several tasks in a batch, but with "
                f"batching={e.batching!r} each batch serves one; found {e.gradient_aggregation!r}."
            )
        if self.batching.one_task and self.weighting.compares:
            raise ValueError(
                f"task_weights={e.task_weights!r} compares the losses of the tasks in a batch, but "
                f"with batching={e.batching!r} each batch serves one task."
            )

    def check_shared(self, estimator, module):
        """Refuse what needs shared parameters where the sharing has none.

        Raises
        ------
        ValueError
        """
        if module.shared_parameters():
            return
        e = estimator
        if self.weighting.needs_shared:
            raise ValueError(
                f"task_weights={e.task_weights!r} compares gradients on parameters that tasks "
                f"share, but with sharing={e.sharing!r} they share none."
            )
        if self.aggregation is not None:
            raise ValueError(
                f"gradient_aggregation={e.gradient_aggregation!r} works on parameters that tasks "
                f"share, but with sharing={e.sharing!r} they share none."
            )
