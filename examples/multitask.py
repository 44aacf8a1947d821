"""Five tasks by one model: from data of each to a served model that answers whatever it is asked.

    python examples/multitask.py

Learns from five of the embedded datasets at once, none of which has labels for more than one task,
what kind of thing an emoji is, which names stand in a sentence, where things are in a picture, what
a picture shows, in words, and what is said. Measures each on data of its own, asks the model about
what it is given, and the exported model in plain TensorFlow. Takes an hour or so of CPU time;
`main(epochs=1, config="tiny")` shows the way in a few. For data of your own, a table for each task:

    reviews = mm.sources.Table("reviews.csv")  # columns: text, mood
    photos = mm.sources.Table("photos.csv")  # columns: photo, caption
    train = mm.sources.Joined(reviews, photos, times=[1, 4])
"""

import tempfile
from pathlib import Path

import tensorflow as tf

import mmkeras as mm
from mmkeras.recipes import emoji_tasks


def main(epochs: int = emoji_tasks.recipe.epochs, config: str = "full") -> Path:
    """The whole way; the path of the exported model."""
    parts = emoji_tasks.sources(config)
    recipe = emoji_tasks.recipe.replace(sources=lambda: parts, epochs=epochs)
    folder = Path(tempfile.mkdtemp())
    model = mm.training.train(recipe, folder / "run").model

    for task in model.tasks:
        test = parts[f"test_{task}"]
        # The last subset holds all fields that the data of this task has.
        scores = [*mm.evaluation.evaluate_subsets(model, test).values()][-1]
        scores |= mm.evaluation.evaluate_scores(model, test).get(task, {})
        # Measures of each class by itself are left out.
        single = {name: value for name, value in scores.items() if not isinstance(value, dict)}
        print(f"{task}:", ", ".join(f"{name} {value:.3f}" for name, value in single.items()))

    samples = {
        task: _first(parts[f"test_{task}"], emoji_tasks.SHARES[task]) for task in model.tasks
    }
    for task, sample in samples.items():
        answer = model.answer(sample)[task]
        print(f"{' and '.join(sample)}, asked for {task}: {_short(answer)}")

    path = mm.export.saved_model(model, folder / "tasks" / "1", samples=[*samples.values()])
    print(path)
    served = tf.saved_model.load(str(folder / "tasks" / "1")).signatures["serving_default"]
    nothing = {field: tf.constant([""]) for field in model.fields}
    sound = {"sound": tf.constant([samples["transcript"]["sound"]])}
    heard = served(**nothing | sound)["transcript_text"].numpy()[0]
    print(f"the served model heard: {heard.decode()!r}")
    return folder / "tasks" / "1"


def _first(source: mm.contracts.Source, share: emoji_tasks.Share) -> dict[str, bytes]:
    """The fields of a first sample, as they are served."""
    return {field: next(iter(source.column(field, str.encode))).numpy() for field in share.fields}


def _short(answer: dict) -> str:
    """What an answer says first."""
    name, value = next(iter(answer.items()))
    return f"{name} {str(value)[:200]}"


if __name__ == "__main__":
    main()
