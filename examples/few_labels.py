"""Image classification with few labels: a ViT learns from pictures alone first.

    python examples/few_labels.py

Of scikit-learn's 1,797 handwritten digits, a fifth is for the test, and 100 of the others have a
label. One ViT learns from these 100 alone; another first guesses hidden patches of all the pictures
that are not for the test. Takes a few minutes.

Measured in one run of three draws: accuracy 0.928, 0.877 and 0.939 from nothing, 0.964, 0.947 and
0.947 pretrained, on 360 test digits.
"""

import keras

import mmkeras as mm
from mmkeras.recipes.digits import CLASSES, sources

SIZE = mm.layers.Size(dim=64, depth=3, num_heads=4, mlp_dim=128)
IMAGE = mm.Image(size=16, channels=1, background=(0, 0, 0), min_crop=0.7, zoom_out=1.3,
                 flip=False, rotation_deg=10.0, jitter=0.0)  # fmt: skip


def learn(
    task: mm.contracts.Task, encoder: mm.encoders.ViT, source: mm.contracts.Source, steps: int
) -> mm.MultimodalModel:
    """A model of one task, trained for so many steps."""
    model = mm.MultimodalModel(
        {"image": IMAGE}, {"digit": task}, encoders={"image": encoder}, fusion=mm.fusions.Late(64)
    )
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=2e-3, warmup_steps=steps // 10
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.05))
    data = model.pipeline(source, batch_size=64, shuffle=True, augment=True, cache=True)
    model.fit(data.repeat(), steps_per_epoch=steps, shuffle=False, verbose=2)
    return model


def main() -> None:
    """With and without pretraining, each with three draws of weights and of labelled digits."""
    parts = sources()
    unlabelled, test = parts["train"], parts["test"]
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        labelled, _ = unlabelled.split(test=1 - 100 / len(unlabelled), seed=seed)
        guess = mm.MaskedImageModel.of(IMAGE, patch_size=4, share=0.5)
        fresh, pretrained = (
            mm.encoders.ViT.for_modality(IMAGE, SIZE, patch_size=4) for _ in range(2)
        )
        learn(guess, pretrained, unlabelled, steps=1_500)
        for name, encoder in (("from nothing", fresh), ("pretrained", pretrained)):
            task = mm.Classification(CLASSES, label_smoothing=0.1)
            model = learn(task, encoder, labelled, steps=300)
            data = model.pipeline(test, batch_size=128)
            scores = model.evaluate(data, verbose=0, return_dict=True)
            print(f"{name}, {len(labelled)} labels, seed {seed}: {scores['digit_accuracy']:.3f}")


if __name__ == "__main__":
    main()
