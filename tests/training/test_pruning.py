"""Pruning: how much is zero after each step, which weights are, and that they stay so."""

import gzip

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.sources import Table
from mmkeras.training import MagnitudePruning, Recipe, sparsity, train

ROWS = Table([{"note": f"{('cat', 'dog')[i % 2]} the a", "kind": i % 2} for i in range(64)])


def made() -> mm.MultimodalModel:
    tasks = {"kind": mm.Classification(["0", "1"])}
    return mm.MultimodalModel({"note": mm.Text.tiny()}, tasks, size="tiny")


def pruned_names(model) -> list[str]:
    return [name for name in sparsity(model) if name]


def test_the_schedule_is_that_of_the_paper():
    pruning = MagnitudePruning(0.9, end_step=110, begin_step=10, initial_sparsity=0.1)
    for step in (10, 35, 60, 100, 110):
        # Equation 1: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n Δt))³
        expected = 0.9 + (0.1 - 0.9) * (1 - (step - 10) / 100) ** 3
        assert pruning.share(step) == pytest.approx(expected)
    assert pruning.share(9) == 0 and pruning.share(500) == 0.9


def test_the_smallest_become_zero():
    model = made()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    before = {weight.path: weight.numpy() for weight in model.trainable_weights}
    pruning = MagnitudePruning(0.6, end_step=1, frequency=1)
    model.fit(model.pipeline(ROWS), epochs=1, verbose=0, shuffle=False, callbacks=[pruning])
    names = pruned_names(model)
    assert any(name.endswith("embeddings") for name in names)
    for weight in model.trainable_weights:
        old, new = before[weight.path], weight.numpy()
        if weight.path in names:
            order = np.sort(np.abs(old).ravel())
            expected = np.where(np.abs(old) <= order[round(0.6 * old.size) - 1], 0, old)
            np.testing.assert_array_equal(new, expected)
        else:
            np.testing.assert_array_equal(new, old)


class Watch(keras.callbacks.Callback):
    """The share of zeros and where they are, after each step."""

    def __init__(self):
        super().__init__()
        self.shares, self.zeros = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.shares.append(sparsity(self.model)[""])
        self.zeros.append(
            [w.numpy() == 0 for w in self.model.trainable_weights if w.path.endswith("kernel")]
        )


def test_zeros_grow_in_number_and_stay():
    model = made()
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    watch = Watch()
    pruning = MagnitudePruning(0.8, end_step=12, begin_step=2, frequency=2)
    data = model.pipeline(ROWS, batch_size=8)
    model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[pruning, watch])
    assert watch.shares[0] < 0.05
    for step in range(2, 13, 2):
        assert watch.shares[step - 1] == pytest.approx(pruning.share(step), abs=0.01)
    assert watch.shares[12:] == pytest.approx([watch.shares[11]] * 4)
    for some, more in zip(watch.zeros[1:], watch.zeros[2:]):
        assert all(np.all(later[earlier]) for earlier, later in zip(some, more, strict=True))
    found = sparsity(model)
    assert all(share == pytest.approx(0.8, abs=0.05) for share in found.values())


def test_the_average_of_weights_is_masked_too_and_a_recipe_needs_no_change(tmp_path):
    recipe = Recipe(
        name="pruned",
        sources=lambda: {"train": ROWS},
        model=lambda train: made(),
        epochs=3,
        batch_size=8,
        ema_momentum=0.9,
    )
    pruning = MagnitudePruning(0.75, end_step=16, frequency=4)
    run = train(recipe, tmp_path / "run", callbacks=[pruning], verbose=0)
    assert sparsity(run.model)[""] == pytest.approx(0.75, abs=0.01)
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert sparsity(loaded) == sparsity(run.model)

    # With all weights it is as large, but not when it is compressed.
    dense = keras.saving.load_model(tmp_path / "run" / "model.keras")
    for weight in dense.trainable_weights:
        old = weight.numpy()
        spread = np.random.default_rng(0).normal(scale=0.1, size=old.shape)
        weight.assign(np.where(old == 0, spread, old))
    sizes = {}
    for name, model in (("dense", dense), ("pruned", run.model)):
        path = mm.export.litert(model, tmp_path / f"{name}.tflite").path
        sizes[name] = (path.stat().st_size, len(gzip.compress(path.read_bytes())))
    assert sizes["pruned"][0] == pytest.approx(sizes["dense"][0], rel=0.01)
    assert sizes["pruned"][1] < 0.8 * sizes["dense"][1]


@pytest.fixture(scope="module")
def trained_before(tmp_path_factory):
    """The file of a model whose optimizer has gone as far as most schedules."""
    model = made()
    model.compile(optimizer=keras.optimizers.Adam(0.001), jit_compile=False)
    model.fit(model.pipeline(ROWS, batch_size=4), epochs=2, verbose=0, shuffle=False)
    assert int(model.optimizer.iterations) == 32
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    model.save(path)
    return path


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_model_from_a_file_begins_at_the_first_step(trained_before, steps_per_call):
    model = keras.saving.load_model(trained_before)
    assert int(model.optimizer.iterations) == 32
    model.steps_per_execution = steps_per_call
    watch = Watch()
    pruning = MagnitudePruning(0.8, end_step=12, begin_step=4, frequency=4)
    data = model.pipeline(ROWS, batch_size=4)
    model.fit(data, verbose=0, shuffle=False, callbacks=[pruning, watch])
    shares = dict(zip(range(steps_per_call, 17, steps_per_call), watch.shares, strict=True))
    for step in (4, 8, 12, 16):
        assert shares[step] == pytest.approx(pruning.share(step), abs=0.01)
    assert all(shares[step] < 0.05 for step in shares if step < 4)


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_at_its_step(trained_before, tmp_path):
    def fit(*others):
        model = keras.saving.load_model(trained_before)
        pruning = MagnitudePruning(0.8, end_step=32, frequency=1)
        backup = keras.callbacks.BackupAndRestore(str(tmp_path))
        data = model.pipeline(ROWS, batch_size=4)
        callbacks = [backup, pruning, *others]
        model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
        return pruning

    watch, again = Watch(), Watch()
    with pytest.raises(KeyboardInterrupt):
        fit(watch, Interrupt())
    pruning = fit(again)
    shares = [*watch.shares, *again.shares]
    assert len(watch.shares) == len(again.shares) == 16
    assert shares == pytest.approx([pruning.share(step) for step in range(1, 33)], abs=0.01)


def test_an_unbuilt_model_is_refused():
    model = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="if it is not built yet"):
        sparsity(model)
    model.compile(optimizer="sgd", loss="mse")
    pruning = MagnitudePruning(0.5, end_step=1)
    pruning.set_model(model)
    with pytest.raises(ValueError, match="to prune"):
        pruning.on_train_begin()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sparsity": 1.0, "end_step": 5}, "sparsity must be a share in"),
        ({"sparsity": 0.5, "end_step": 5, "initial_sparsity": 0.6}, "initial_sparsity must be"),
        ({"sparsity": 0.5, "end_step": 5, "begin_step": 5}, "end_step must be at least 6"),
        ({"sparsity": 0.5, "end_step": 5, "frequency": 0}, "frequency must be at least 1"),
    ],
)
def test_numbers_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        MagnitudePruning(**arguments)
