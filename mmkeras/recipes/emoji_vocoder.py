"""A vocoder learns the voices of a woman and a man from recordings alone.

mmkeras train emoji_vocoder --out runs/emoji_vocoder

Measured on 2 cores that other work kept busy, in one run: 9.3 minutes of CPU time. 192 recordings
that are held out, made again from their spectrograms, by `benchmarks/vocoders.py`: the magnitudes
of their Fourier transforms differ by 0.130 of their norm (Griffin & Lim's algorithm of 32 rounds:
0.258), mel-cepstral distortion is 0.82 dB (0.95), at 0.023 s of CPU time a second of speech
(0.040). `pocketsphinx`, which may hear these names alone, has a word error rate of 0.029 (0.047);
on the recordings themselves 0.053 with a little noise, and 0.256 as they are, because their pauses
are without any sound.

`mmkeras.vocoding.with_vocoder` gives what was learned to a model of `emoji_voices`. What that says
is then voiced where it should not be, or the reverse, in 0.231 instead of 0.276 of the frames (96
names that are held out); it is understood as before (a word error rate of 0.314 on 183 names, both
ways) and takes longer, 9.7 times real time instead of 17.4 by CPU time, because a head makes the
waveform of the longest that can be said.
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji_speech import prepare
from mmkeras.encoders import LogMelFrames
from mmkeras.fusions import Late
from mmkeras.modalities import Audio
from mmkeras.model import MultimodalModel
from mmkeras.sources import TFDS
from mmkeras.tasks import Vocoding
from mmkeras.training import Recipe


def sources() -> Mapping[str, Source]:
    """The embedded speech of two voices, made on first use."""
    builder = prepare(config="two_voices")
    return {part: TFDS(builder, part) for part in ("train", "validation", "test")}


def model(train: Source) -> MultimodalModel:
    """Frames reach the vocoder as they are, those that `SpeechSynthesis` makes by default."""
    del train
    # Neither another room nor another speed: what is learned is these voices.
    speech = Audio(seconds=3.0, gain_db=6.0, delay_s=0.1, speed=0.0, min_snr_db=None)
    task = Vocoding(speech, field="speech")
    return MultimodalModel(
        fields={"speech": speech},
        tasks={"sound": task},
        encoders={"speech": LogMelFrames(**task.spectrogram)},
        fusion=Late(task.num_mels),
    )


recipe = Recipe(
    name="emoji_vocoder",
    sources=sources,
    model=model,
    epochs=6,
    batch_size=16,
    learning_rate=2e-3,
    weight_decay=0.01,
    pipeline={"buckets": {"speech": [14_000, 18_000, 24_000]}},
)
