"""`partial_fit` of a model that could infer the types of its tasks, but not from one chunk."""

from types import MethodType


class TasksNeededError(ValueError, AttributeError):
    """`partial_fit` was asked for before the types of the tasks are known."""


class asks_for_tasks:
    """A method that is there once the types of the tasks are known.

    One chunk is too little to infer types from, so `partial_fit` needs ``tasks``. Without it the
    method is missing to ``hasattr``, as scikit-learn's conditional methods are, and says why to
    whoever calls it.
    """

    def __init__(self, method):
        self.method = method
        self.__doc__ = method.__doc__

    def __get__(self, estimator, owner=None):
        if estimator is None:
            return self.method
        if estimator.tasks is None:
            raise TasksNeededError(
                "partial_fit needs tasks: one chunk is too little to infer their types from. Set "
                "tasks to 'classification', 'regression', a task object, or a dict of those."
            )
        return MethodType(self.method, estimator)
