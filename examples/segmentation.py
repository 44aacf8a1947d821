"""Semantic segmentation: from pictures and masks to a served model that writes masks.

    python examples/segmentation.py

Learns which pixels of the embedded scenes show which of nine categories, measures it by
intersection over union, draws the masks, and writes one with the exported model in plain
TensorFlow. Takes about half an hour on 2 cores; `epochs=2` shows the way in a few minutes. For
pictures of your own, with a mask of the same name for each:

    train = mm.sources.MaskFolder("pictures", "masks")
"""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import mmkeras as mm


def main(epochs: int = 10) -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    scenes = mm.datasets.prepare_emoji_scenes()
    train, test = (mm.sources.TFDS(scenes, part) for part in ("train", "test"))

    image = mm.Image(size=128, min_crop=0.5, zoom_out=1.3, jitter=0.1)  # masks follow
    size = mm.layers.Size(dim=64, depth=1, num_heads=4, mlp_dim=128)
    classes = ["background", *mm.datasets.EmojiScenes.CATEGORIES]
    encoder = mm.encoders.VisionPyramid.for_modality(image, size, strides=(4, 8, 16, 32))
    model = mm.MultimodalModel(
        fields={"image": image},
        tasks={"mask": mm.SemanticSegmentation(classes, size=128)},
        encoders={"image": encoder},
        fusion=mm.fusions.Late(64),
    )
    steps = epochs * len(train) // 32
    model.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps)))
    data = model.pipeline(train, batch_size=32, shuffle=True, augment=True, cache=True)
    model.fit(data, epochs=epochs, shuffle=False, verbose=2)

    scores = mm.evaluation.evaluate_scores(model, test)["mask"]
    print(f"mIoU {scores['mIoU']:.3f}, pixels right {scores['pixel_accuracy']:.3f}")
    for name, overlap in scores["iou_by_class"].items():
        print(f"    {overlap:.3f} {name}")
    print("drawn:", mm.training.save_examples(model, test, folder))

    picture = next(iter(test.column("image", bytes))).numpy()
    print(mm.export.saved_model(model, folder / "scenes" / "1", samples=[{"image": picture}]))
    served = tf.saved_model.load(str(folder / "scenes" / "1")).signatures["serving_default"]
    mask = served(image=tf.constant([picture]))["mask_png"].numpy()[0]
    (folder / "mask.png").write_bytes(mask)
    print("served:", folder / "mask.png")


if __name__ == "__main__":
    main()
