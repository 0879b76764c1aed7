"""No relation between the tasks but the recurrence they share."""

from ._base import RelationModule, TaskRelation


class NoRelation(TaskRelation):
    """Tasks inform one another through the shared recurrence only."""

    def build(self, context):
        return Nothing()


class Nothing(RelationModule):
    """Leaves features and outputs as they are."""

    def matrix(self):
        return None

    def shared_parameters(self):
        return []
