"""Questions about pictures: a model that reads the question, looks, and writes the answer.

    python examples/question_answering.py

Learns to answer what is where, where something is, how often it is shown and of which category it
is, in the arrangements of the embedded dataset. Measures each kind of question in new arrangements,
beside a model that sees the questions alone. Its eyes are those of a model that learned to write
captions first. Draws a sheet of pictures with questions and answers. Takes more than an hour on 2
cores; `main(1, 1, config="tiny")` shows the way in a minute. For pictures of your own, in a table:

    train = mm.sources.Table("questions.csv")  # columns: image, question, answer
"""

import functools
import tempfile
from pathlib import Path

import tensorflow as tf
from PIL import Image

import mmkeras as mm
from mmkeras.drawing import sheet
from mmkeras.recipes import emoji_captions, emoji_questions


def main(
    epochs: int = emoji_questions.recipe.epochs,
    caption_epochs: int = emoji_captions.recipe.epochs,
    config: str = "full",
) -> Path:
    """The whole way; the path of the sheet."""
    folder = Path(tempfile.mkdtemp())
    parts, captioned = emoji_questions.sources(config), emoji_captions.sources(config)
    models = {}
    for recipe, passes in (
        (emoji_captions.recipe, caption_epochs),  # what teaches to tell emoji apart
        (emoji_questions.blind, epochs),
        (emoji_questions.recipe, epochs),
    ):
        make = recipe.model
        if recipe is emoji_questions.recipe:
            written = folder / emoji_captions.recipe.name / "model.keras"
            make = functools.partial(make, captions=written)
        made = captioned if recipe is emoji_captions.recipe else parts
        recipe = recipe.replace(sources=functools.partial(dict, made), model=make, epochs=passes)
        models[recipe.name] = mm.training.train(recipe, folder / recipe.name).model
    del models[emoji_captions.recipe.name]
    for name, model in models.items():
        for part in (part for part in parts if part.startswith("test")):
            scores = mm.evaluation.evaluate_scores(model, parts[part])["answer"]
            print(f"{name}, {part}: {scores['exact_match']:.3f}")

    model, test = models[emoji_questions.recipe.name], parts["test"]
    rows = test.rows(dict.fromkeys(("image", "question", "answer"), str.encode)).map(
        lambda _, row: test.load(row)
    )
    samples = list(rows.shard(len(test) // 12, 0).take(12).as_numpy_iterator())
    asked = [{"image": each["image"], "question": each["question"].decode()} for each in samples]
    texts = [answer["answer"]["text"] for answer in model.answer(asked)]
    captions = []
    for sample, text in zip(samples, texts):
        right = sample["answer"].decode()
        verdict = f"✓ {text}" if text == right else f"✗ {text} ({right})"
        captions.append(f"{sample['question'].decode()} {verdict}")
    pictures = [tf.io.decode_png(sample["image"], channels=3).numpy() for sample in samples]
    large = [picture.repeat(4, 0).repeat(4, 1) for picture in pictures]
    drawn = folder / "answers.png"
    Image.fromarray(sheet(large, columns=4, captions=captions)).save(drawn)
    print("drawn:", drawn)

    print(mm.export.saved_model(model, folder / "answers" / "1", samples=asked[:1]))
    served = tf.saved_model.load(str(folder / "answers" / "1")).signatures["serving_default"]
    raw = {name: tf.constant([value]) for name, value in asked[0].items()}
    print("served:", served(**raw)["answer_text"].numpy()[0].decode())
    return drawn


if __name__ == "__main__":
    main()
