"""Object detection: from pictures with boxes to a served model that answers in their own pixels.

    python examples/detection.py

Learns to find emoji of nine categories in the scenes of the embedded dataset, measures it as COCO
does, draws what it found, and asks the exported model in plain TensorFlow. Takes about half an hour
on 2 cores; `epochs=2` shows the way in a few minutes. For pictures of your own:

    train = mm.sources.COCO("annotations.json", "pictures", objects="objects")
    train = mm.sources.PascalVOC("VOC2012", "train", on_bad="repair")
"""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import mmkeras as mm


def main(epochs: int = 24) -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    scenes = mm.datasets.prepare_emoji_scenes()
    train, test = (mm.sources.TFDS(scenes, part) for part in ("train", "test"))

    image = mm.Image(size=128, min_crop=0.5, zoom_out=1.3, jitter=0.1)  # boxes follow
    size = mm.layers.Size(dim=96, depth=1, num_heads=4, mlp_dim=192)
    classes = mm.datasets.EmojiScenes.CATEGORIES
    model = mm.MultimodalModel(
        fields={"image": image},
        tasks={"objects": mm.ObjectDetection(classes, max_objects=8)},
        encoders={"image": mm.encoders.VisionPyramid.for_modality(image, size)},
        fusion=mm.fusions.Late(96),
    )
    steps = epochs * len(train) // 32
    model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps)))
    data = model.pipeline(train, batch_size=32, shuffle=True, augment=True, cache=True)
    model.fit(data, epochs=epochs, shuffle=False, verbose=2)

    scores = mm.evaluation.evaluate_scores(model, test)["objects"]
    print(f"mAP {scores['mAP']:.3f}, at an overlap of one half {scores['mAP50']:.3f}")
    print("drawn:", mm.training.save_examples(model, test, folder))

    picture = next(iter(test.column("image", bytes))).numpy()
    for found in model.answer({"image": picture})["objects"]["objects"][:5]:
        print(f"{found['score']:.2f} {found['label']} at {[round(x, 1) for x in found['box']]}")
    print(mm.export.saved_model(model, folder / "scenes" / "1", samples=[{"image": picture}]))
    print(mm.export.litert(model, folder / "scenes.tflite", samples=[{"image": picture}]))
    served = tf.saved_model.load(str(folder / "scenes" / "1")).signatures["serving_default"]
    answer = served(image=tf.constant([picture]))
    for part in ("label", "score", "box"):
        print("served:", part, answer[f"objects_{part}"].numpy()[0][:3].tolist())


if __name__ == "__main__":
    main()
