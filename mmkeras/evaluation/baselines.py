"""What a user would try first, to compare with: classical models on the same split."""

from collections.abc import Mapping

import numpy as np

from mmkeras.contracts import Source
from mmkeras.evaluation.subsets import subsets
from mmkeras.fields import Fields
from mmkeras.layers import LogMelSpectrogram
from mmkeras.modalities import Audio, Image, Text, Words
from mmkeras.pipeline import pipeline
from mmkeras.tasks import Classification


def baselines(
    fields: Mapping[str, Text | Image | Audio],
    task: str,
    classes: tuple[str, ...],
    train: Source,
    test: Source,
) -> dict[tuple[str, ...], float]:
    """Test accuracy of classical classifiers, for every subset of the fields.

    Texts: TF-IDF of words and logistic regression (C = 10). Pictures: 300 extremely randomised
    trees on 32×32 pixels. Sound: the same trees on means and deviations of 40 log-mel bands, of the
    whole and of eight parts. Several fields: the product of their probabilities.

    Args:
        fields: the model's fields.
        task: the column of classes.
        classes: their names.
        train: training samples.
        test: test samples.

    Returns:
        `{subset: accuracy}`, and the share of the commonest training class under `()`.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'baselines need scikit-learn; install it with pip install "mmkeras[demo]".'
        ) from error
    train_labels, test_labels = (_labels(part, task, classes) for part in (train, test))
    commonest = np.bincount(train_labels).argmax()
    scores: dict[tuple[str, ...], float] = {(): float(np.mean(test_labels == commonest))}
    log_probabilities = {}
    for field, modality in fields.items():
        seen, unseen = _features(modality, field, train), _features(modality, field, test)
        classifier = _classifier(modality)
        classifier.fit(seen, train_labels)
        probabilities = np.full((len(test_labels), len(classes)), 1e-9)
        probabilities[:, classifier.classes_] += classifier.predict_proba(unseen)
        log_probabilities[field] = np.log(probabilities)
    for subset in subsets(fields):
        votes = sum(log_probabilities[field] for field in subset)
        scores[subset] = float(np.mean(np.argmax(votes, axis=1) == test_labels))
    return scores


def _labels(source: Source, task: str, classes: tuple[str, ...]) -> np.ndarray:
    reader = Classification(classes)
    labels = source.column(task, reader.encode).map(reader.target).batch(1024)
    return np.concatenate(list(labels.as_numpy_iterator()))


def _classifier(modality: object):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if isinstance(modality, Text | Words):
        return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
    return ExtraTreesClassifier(300, random_state=0, n_jobs=-1)


def _features(modality: object, field: str, source: Source) -> list[str] | np.ndarray:
    if isinstance(modality, Text | Words):
        texts = source.column(field, modality.encode)
        return [text.decode() for text in texts.as_numpy_iterator()]
    small = Image(size=32) if isinstance(modality, Image) else modality
    batches = pipeline(source, Fields({field: small}), batch_size=128)
    tensors = [{name: t.numpy() for name, t in batch.items()} for batch in batches]
    if isinstance(modality, Image):
        pixels = np.concatenate([batch[f"{field}_pixels"] for batch in tensors])
        return pixels.reshape(len(pixels), -1)
    return np.concatenate([_sound_features(modality, field, batch) for batch in tensors])


def _sound_features(modality: Audio, field: str, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    rate = modality.sample_rate
    layer = LogMelSpectrogram(rate, rate // 40, rate // 100, num_mels=40)
    waveform = np.pad(batch[f"{field}_waveform"], [(0, 0), (0, layer.frame_length)])
    frames = np.asarray(layer(waveform))
    rows = []
    for spectrogram, length in zip(frames, batch[f"{field}_length"]):
        heard = spectrogram[: max(int(length) // layer.hop_length, 8)]
        parts = [part.mean(axis=0) for part in np.array_split(heard, 8)]
        rows.append(np.concatenate([heard.mean(axis=0), heard.std(axis=0), *parts]))
    return np.array(rows)
