"""`distil`: a trained model teaches a smaller one."""

import dataclasses

from mmkeras.contracts.arguments import check_number
from mmkeras.model import MultimodalModel


@dataclasses.dataclass(frozen=True)
class Teacher:
    """Whom a model learns from beside its labels; see `distil`.

    Attributes:
        model: the trained one.
        temperature: how much its choices are softened.
        alpha: how much the labels count; the teacher counts 1 - alpha.
    """

    model: MultimodalModel
    temperature: float
    alpha: float


def distil(
    student: MultimodalModel, teacher: MultimodalModel, temperature: float = 3.0, alpha: float = 0.3
) -> MultimodalModel:
    """Gives a student a teacher, whose answers it learns in `fit` beside the labels.

    In every step of training the teacher sees the batch that the student sees, with its random
    changes (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and consistent"),
    and the loss of each task becomes alpha · labels + (1 - alpha) · `Task.distil`. The teacher
    needs no labels: samples without one count for its part, except in `TokenClassification`, where
    the label tells which tokens are asked. Validation is by labels alone.

    The student stays what it was, a `MultimodalModel`: it saves, loads and exports without its
    teacher, whose weights do not change. In a `Recipe`, it is what `model` returns.

    Source: Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network".

    Args:
        student: of the teacher's fields and tasks, or of some of the tasks.
        teacher: a trained model.
        temperature: how much both are softened, above 0.
        alpha: how much the labels count, from 0 to 1.

    Returns:
        The student.

    Raises:
        ValueError: the student has other fields, or tasks that the teacher lacks or that answer
            something else; or a task has no choice that could be softened; or a number is out of
            its range.

    Example:

    >>> from mmkeras.modalities import Text
    >>> from mmkeras.tasks import Classification
    >>> fields, tasks = {"note": Text.tiny()}, {"mood": Classification(["good", "bad"])}
    >>> teacher = MultimodalModel(fields, tasks, size="tiny")
    >>> student = distil(MultimodalModel(fields, tasks, size="tiny"), teacher, temperature=2.0)
    >>> student.compile(optimizer="adam")
    """
    check_number("temperature", temperature)
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0; got {temperature}.")
    check_number("alpha", alpha)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be a share in [0, 1]; got {alpha}.")
    if dict(student.fields) != dict(teacher.fields):
        raise ValueError(
            f"the student has the fields {list(student.fields)}, which are not quite the teacher's "
            f"{list(teacher.fields)}, and both have to read the same batch; make the student of "
            "teacher.fields."
        )
    for name, task in student.tasks.items():
        if not task.distils:
            raise ValueError(
                f"task {name!r} ({type(task).__name__}) has no logits of classes that a teacher "
                "could soften; train it by its labels alone."
            )
        taught = teacher.tasks.get(name)
        if taught is None or type(taught) is not type(task) or taught.labels() != task.labels():
            raise ValueError(
                f"the student's task {name!r} is {task}, the teacher's {taught}; make the student "
                "of teacher.tasks."
            )
        for output in task.distils:
            shapes = [model.output[name][output].shape for model in (student, teacher)]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"{output} of task {name!r} has the shape {shapes[0]} in the student and "
                    f"{shapes[1]} in the teacher."
                )
    student.teacher = Teacher(teacher, temperature, alpha)
    # Keras keeps the graph of a step without a teacher.
    student.train_function = None
    return student
