from .sequences import Ragged, stack_tasks
