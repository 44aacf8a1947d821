"""`lacking`: what of a model a source cannot measure."""

from collections.abc import Collection

from mmkeras.contracts import Source
from mmkeras.model import MultimodalModel


def lacking(model: MultimodalModel, source: Source, without: Collection[str] = ()) -> list[str]:
    """The fields and tasks of a model that a source has no column for, and those left out anyway.

    A model of several tasks is often measured by data of one of them alone.

    Args:
        model: the model.
        source: the samples.
        without: fields and tasks to leave out, whether or not there are columns.

    Raises:
        KeyError: none of the fields, or none of the tasks, is there.

    Example:

    >>> from mmkeras.modalities import Text
    >>> from mmkeras.sources import Table
    >>> from mmkeras.tasks import Regression
    >>> fields = {"title": Text.tiny(), "body": Text.tiny()}
    >>> model = MultimodalModel(fields, {"stars": Regression(), "age": Regression()}, size="tiny")
    >>> lacking(model, Table([{"body": "good", "stars": 5}]))
    ['title', 'age']
    """
    without = {without} if isinstance(without, str) else {*without}
    there = {*source.columns} - without
    fields = [field for field in model.fields if field not in there]
    # A task without labels needs no column of its own, but what it points into.
    tasks = [
        name
        for name, task in model.tasks.items()
        if (name not in there if task.labelled else name in without)
        or {*task.points_into} & {*fields}
    ]
    for what, missing, known in (("fields", fields, model.fields), ("tasks", tasks, model.tasks)):
        if len(missing) == len(known):
            raise KeyError(
                f"{source!r} has none of the model's {what} {list(known)}; it has the columns "
                f"{list(source.columns)}."
            )
    return [*fields, *tasks]
