"""KerasTuner's oracles and its tuner, made to run a recipe's trials."""

import contextlib
import dataclasses
import gc
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import tensorflow as tf
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial as Proposal
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.stateful import Stateful

from mmkeras.diagnosis import reason_of
from mmkeras.files import write_whole
from mmkeras.training.goal import Goal
from mmkeras.training.measuring import numbers_of
from mmkeras.training.run import train
from mmkeras.training.search_space import Choice, Range, SearchSpace
from mmkeras.training.trials import MODEL, PROJECT, Trial

#: How often a trial may be begun whose process is killed before the trial ends.
_BEGINNINGS = 3
#: Draws after which a space counts as searched through.
_DRAWS = 100


class _Whole(Stateful):
    """State whose file is written under another name first: a killed process leaves no half."""

    def save(self, fname: str) -> str:
        text = json.dumps(self.get_state())
        write_whole(Path(fname), text)
        return text


class _RecipeFirst(keras_tuner.Oracle):
    """What all oracles share here: the first trial is the recipe, and limits count."""

    goal: Goal
    folder: Path

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.start_order:
            values = {parameter.name: parameter.default for parameter in self.get_space().space}
            return {"status": TrialStatus.RUNNING, "values": values | self.first_values()}
        return super().populate_space(trial_id)

    def first_values(self) -> dict[str, Any]:
        """What the oracle itself wants to know of the first trial."""
        return {}

    def score_trial(self, trial: Proposal) -> None:
        super().score_trial(trial)
        self.score_all()

    def score_all(self) -> None:
        """Where there are limits, a score depends on the other trials (see `Goal.scores`)."""
        done = [each for each in self.trials.values() if each.status == TrialStatus.COMPLETED]
        records = [
            json.loads((self.folder / folder_name(each) / "record.json").read_text("utf-8"))
            for each in done
        ]
        scores = self.goal.scores([record["measured"] for record in records])
        for each, score in zip(done, scores):
            each.score = score

    def reload(self) -> None:
        super().reload()
        # KerasTuner saves a trial before it saves that the trial has begun, and a trial's end
        # before it saves that nobody is at it any more: a process killed between has left these.
        for trial_id in [*self.trials]:
            if trial_id not in self.start_order:
                del self.trials[trial_id]
        begun = {TrialStatus.RUNNING, TrialStatus.INVALID}
        self._retry_queue = [each for each in self.start_order if self.trials[each].status in begun]
        for trial_id in self._retry_queue:
            self.trials[trial_id].metrics = MetricsTracker()
        self.score_all()

    def _save_trial(self, trial: Proposal) -> None:
        folder = self.folder / folder_name(trial)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "trial.json", json.dumps(trial.get_state()))


class _Random(_RecipeFirst, keras_tuner.oracles.RandomSearchOracle, _Whole):
    pass


class _Bayesian(_RecipeFirst, keras_tuner.oracles.BayesianOptimizationOracle, _Whole):
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        found = super().populate_space(trial_id)
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        # Of a few choices, the Gaussian process proposes the same ones again.
        for _ in range(_DRAWS):
            if found["values"] not in tried:
                return found
            self._seed_state += len(self.get_space().space)
            found["values"] = {
                parameter.name: parameter.random_sample(self._seed_state + i)
                for i, parameter in enumerate(self.get_space().space)
            }
        return {"status": TrialStatus.STOPPED, "values": None}


class _Hyperband(_RecipeFirst, keras_tuner.oracles.HyperbandOracle, _Whole):
    def first_values(self) -> dict[str, Any]:
        # Outside the brackets, so that the recipe is trained as long as what comes out of them.
        return {"tuner/epochs": self.max_epochs, "tuner/initial_epoch": 0}


def make_oracle(
    method: str, space: SearchSpace, goal: Goal, trials: int, epochs: int, folder: Path, seed: int
) -> keras_tuner.Oracle:
    """KerasTuner's oracle of a method, over the parameters of a space.

    Args:
        method: `"random"`, `"bayesian"` or `"hyperband"`.
        space: what is searched.
        goal: what for.
        trials: at most.
        epochs: of the longest trial.
        folder: of the tuning.
        seed: of what is drawn.
    """
    parameters = keras_tuner.HyperParameters()
    for name, what in space.search.items():
        _add(parameters, name, what, space)
    options = {
        "objective": keras_tuner.Objective(goal.objective, goal.direction),
        "hyperparameters": parameters,
        "seed": seed + 1,
        # A trial that fails is recorded, and others go on.
        "max_consecutive_failed_trials": trials + 1,
    }
    if method == "random":
        oracle = _Random(max_trials=trials, **options)
    elif method == "bayesian":
        # KerasTuner's own number, three for each dimension, would leave short searches random.
        drawn = max(3, min(3 * len(space.search), trials // 3))
        oracle = _Bayesian(max_trials=trials, num_initial_points=drawn, **options)
    else:
        oracle = _Hyperband(max_epochs=epochs, hyperband_iterations=None, **options)
        oracle.max_trials = trials
    oracle.goal, oracle.folder = goal, folder / PROJECT
    return oracle


def _add(
    parameters: keras_tuner.HyperParameters, name: str, what: Choice | Range, space: SearchSpace
) -> None:
    default = space.defaults[name]
    if isinstance(what, Choice):
        # As they are written: KerasTuner's choices are of one type, and none is None.
        parameters.Choice(name, [repr(value) for value in what.values], default=repr(default))
        return
    kind = parameters.Int if space.is_whole(name) else parameters.Float
    sampling = "log" if what.is_log else "linear"
    kind(name, what.low, what.high, what.step, sampling, default=default)


def values_of(proposal: Proposal, space: SearchSpace) -> dict[str, Any]:
    """The values that an oracle proposes, as the recipe takes them.

    Numbers that are drawn are rounded to four digits, so that a recipe that has them is readable.

    Args:
        proposal: KerasTuner's trial.
        space: what is searched.
    """
    if int(proposal.trial_id) == 0:
        return dict(space.defaults)
    values = {}
    for name, what in space.search.items():
        value = proposal.hyperparameters.values[name]
        if isinstance(what, Choice):
            value = next(each for each in what.values if repr(each) == value)
        elif space.is_whole(name):
            value = int(value)
        else:
            value = float(f"{value:.4g}" if what.step is None else f"{value:.6g}")
            value = min(max(value, what.low), what.high)
        values[name] = value
    return values


def folder_name(proposal: Proposal) -> str:
    """Of a trial, in the project's folder."""
    return f"trial_{proposal.trial_id}"


def is_worker() -> bool:
    """Whether this process runs trials for a chief in another, by KerasTuner's environment."""
    return "KERASTUNER_ORACLE_IP" in os.environ and not is_chief()


def is_chief() -> bool:
    """Whether this process gives trials to workers in others, by KerasTuner's environment."""
    named = "chief" in os.environ.get("KERASTUNER_TUNER_ID", "")
    return "KERASTUNER_ORACLE_IP" in os.environ and named


class RecipeTuner(BaseTuner, _Whole):
    """Trains a recipe with the values of each trial, and measures it.

    Args:
        oracle: see `make_oracle`.
        space: what is searched.
        goal: what for.
        epochs: of a trial; None leaves them to the recipe.
        numbers: `numbers_of`, with what is to be measured.
        folder: of the tuning.
        say: takes each line for a person.
        on_trial: called when a trial has ended.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        space: SearchSpace,
        goal: Goal,
        epochs: int | None,
        numbers: Callable[..., dict[str, float]],
        folder: Path,
        say: Callable[[str], None],
        on_trial: Callable[[Trial], None],
    ):
        super().__init__(oracle, directory=str(folder), project_name=PROJECT)
        self.space = space
        self.goal = goal
        self.epochs = epochs
        self.numbers = numbers
        self.say = say
        self.on_trial = on_trial
        self.record: Trial | None = None
        # KerasTuner looks for the file of a tuner of the same id, and not for the oracle's.
        state = folder / PROJECT / "oracle.json"
        if not is_worker() and not oracle.trials and state.exists():
            oracle.reload()
        self.has_run = True

    def pre_create_trial(self) -> None:
        """Waits where there was nothing to do, since the chief has other workers to answer."""
        if not self.has_run:
            time.sleep(1)
        self.has_run = False

    def run_trial(self, trial: Proposal) -> dict[str, float]:
        """Trains and measures; what goes wrong is recorded."""
        self.has_run = True
        start = time.perf_counter()
        folder = Path(self.get_trial_dir(trial.trial_id))
        values = values_of(trial, self.space)
        recipe = self.space.apply(values)
        epochs = trial.hyperparameters.values.get("tuner/epochs", self.epochs)
        full = recipe.epochs
        if epochs is not None:
            recipe = recipe.replace(epochs=epochs)
        number = int(trial.trial_id)
        self.record = Trial(number, values, recipe.epochs, 0.0, {})
        measured, reason = {}, ""
        with _counted(folder) as beginnings:
            if beginnings > _BEGINNINGS:
                reason = f"its process was killed {_BEGINNINGS} times, perhaps for its memory"
            else:
                try:
                    measured = self._measured(recipe, (folder / MODEL).parent)
                    _check_there(self.goal, measured)
                    reason = _not_numbers(self.goal, measured)
                except keras_tuner.errors.FatalError:
                    raise
                except Exception as error:
                    reason = f"{type(error).__name__}: {_one_line(error)}"
        if reason or recipe.epochs != full:
            (folder / MODEL).unlink(missing_ok=True)
        self.record = dataclasses.replace(
            self.record,
            seconds=time.perf_counter() - start,
            measured={} if reason else measured,
            reason=reason,
        )
        self.record.save(folder)
        return {self.goal.objective: math.nan if reason else measured[self.goal.objective]}

    def on_trial_end(self, trial: Proposal) -> None:
        """Tells KerasTuner that a trial has failed, if it has; and the person how it went."""
        assert self.record is not None
        if self.record.failed:
            trial.status, trial.message = TrialStatus.FAILED, self.record.reason
        super().on_trial_end(trial)
        self.on_trial(self.record)

    def _measured(self, recipe: Any, folder: Path) -> dict[str, float]:
        # Of a process that was killed: the trial begins anew, so that its numbers are those of a
        # whole run.
        shutil.rmtree(folder, ignore_errors=True)
        run = train(recipe, folder, verbose=0)
        if not math.isfinite(run.history["loss"][-1]):
            raise ValueError(
                f"the loss was {run.history['loss'][-1]} in epoch {len(run.history['loss'])}: "
                "training diverged"
            )
        validation = run.sources["validation"]
        # What was measured in training is no ground to choose by, and test samples lack it.
        last: Mapping[str, float] = {
            name: float(each[-1]) for name, each in run.history.items() if name.startswith("val_")
        }
        if recipe.ema_momentum is not None:
            # `fit` validates the weights of the last step; the model now has their average.
            last |= numbers_of(run.model, validation, recipe, ())
        measured = self.numbers(run.model, validation, recipe, self.goal.names, known=last)
        del run
        gc.collect()
        return measured


@contextlib.contextmanager
def _counted(folder: Path):
    """Counts how often something was begun in a folder without its end being seen."""
    path = folder / "begun"
    count = 1 + (len(path.read_text()) if path.exists() else 0)
    write_whole(path, "." * count)
    try:
        yield count
    finally:
        path.unlink(missing_ok=True)


def _check_there(goal: Goal, measured: Mapping[str, float]) -> None:
    if absent := [name for name in goal.names if name not in measured]:
        hint = f" Did you mean 'val_{absent[0]}'?" if f"val_{absent[0]}" in measured else ""
        raise keras_tuner.errors.FatalValueError(
            f"nothing by the name {absent[0]!r} was measured, but {sorted(measured)}; on demand "
            f"there are 'latency_ms' and 'parameters', and gaps between slices.{hint}"
        )


def _not_numbers(goal: Goal, measured: Mapping[str, float]) -> str:
    for name in goal.names:
        if not math.isfinite(measured[name]):
            return f"{name} was {measured[name]}"
    return ""


def _one_line(error: Exception) -> str:
    text = reason_of(error) if isinstance(error, tf.errors.OpError) else str(error)
    return " ".join(text.split())[:1_000]
