import itertools
import re
import sys
import threading

import numpy as np
import pytest

from mmkeras import espeak


def test_equal_arguments_give_equal_samples_whatever_was_said_before():
    first = espeak.speak("grinning face", "en-gb-scotland+f1", 160, 40)
    espeak.speak("something else", "en-us+m3")
    np.testing.assert_array_equal(
        espeak.speak("grinning face", "en-gb-scotland+f1", 160, 40), first
    )
    assert first.dtype == np.int16 and first.ndim == 1 and np.abs(first.astype(int)).max() > 3000


def test_several_at_once_begin_as_one_alone_and_are_repeatable():
    said = [espeak.Utterance("red apple", "en-us+f2"), espeak.Utterance("old key", "en-029+m2")]
    first, second = espeak.speak_all(said), espeak.speak_all(said)
    for once, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(first[0], espeak.speak("red apple", "en-us+f2"))


def test_voice_rate_and_pitch_are_heard():
    said = [
        espeak.speak("grinning face"),
        espeak.speak("grinning face", voice="en-us+f2"),
        espeak.speak("grinning face", voice="en-gb-x-rp"),
        espeak.speak("grinning face", pitch=80),
    ]
    for one, other in itertools.combinations(said, 2):
        assert not np.array_equal(one, other)
    assert len(espeak.speak("grinning face", rate_wpm=90)) > 1.5 * len(said[0])


def test_a_higher_pitch_is_a_higher_frequency():
    def fundamental_hz(speech):
        speech = speech[2000:10_000].astype(float)
        similarity = np.correlate(speech, speech, "full")[len(speech) - 1 :]
        shortest, longest = 16_000 // 200, 16_000 // 50  # A man's voice.
        return 16_000 / (shortest + np.argmax(similarity[shortest:longest]))

    low, high = (fundamental_hz(espeak.speak("aaaah", "en-us", 100, p)) for p in (20, 80))
    assert 55 < low < 0.9 * high < 190


def test_resampling_keeps_the_length_in_seconds():
    native, changed = (espeak.speak("grinning face", sample_rate=r) for r in (22_050, 16_000))
    assert len(changed) / 16_000 == pytest.approx(len(native) / 22_050, abs=1e-3)


@pytest.mark.parametrize(("tone_hz", "is_kept"), [(200, True), (3000, True), (9500, False)])
def test_resampling_keeps_tones_below_the_new_limit_alone(tone_hz, is_kept):
    def tone(sample_rate):
        return 20_000 * np.sin(2 * np.pi * tone_hz * np.arange(sample_rate) / sample_rate)

    changed = espeak._resampled(np.round(tone(22_050)).astype(np.int16), 22_050, 16_000)
    expected = tone(16_000) if is_kept else np.zeros(16_000)
    inner = slice(200, -200)  # The filter sees silence around the tone.
    assert changed.dtype == np.int16 and len(changed) == 16_000
    np.testing.assert_allclose(changed[inner], expected[inner], atol=0.01 * 20_000)


def test_resampling_clips_and_does_not_wrap():
    square = np.where(np.arange(4000) // 40 % 2, 32_767, -32_768).astype(np.int16)
    changed = espeak._resampled(square, 22_050, 16_000)
    assert np.abs(np.diff(changed.astype(int))).max() <= 65_535
    assert np.mean(changed[1000:-1000] == 32_767) > 0.1


def test_threads_do_not_disturb_each_other():
    said = {text: None for text in ("red apple", "blue car", "old man", "new moon")}

    def say(text):
        said[text] = espeak.speak(text)

    threads = [threading.Thread(target=say, args=(text,)) for text in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text, speech in said.items():
        np.testing.assert_array_equal(speech, espeak.speak(text))


def test_a_text_without_words_is_silence():
    assert not espeak.speak("").any()


@pytest.mark.parametrize(
    ("text", "voice", "expected"),
    [
        ("red apple", "en-us", "ɹˈɛd ˈæpəl"),
        ("tomato", "en-us+f2", "təmˈeɪɾoʊ"),
        ("tomato", "en-gb-x-rp", "təmˈɑːtəʊ"),
        ("3 cats! naïve; new", "en-us", "θɹˈiː kˈæts, naɪˈiːv, nˈuː"),
        ("roter Apfel", "de", "rˈoːtɜ ˈapfəl"),
        ("", "en-us", ""),
        (" …!? ", "en-us", ""),
        ("red\0apple", "en-us", "ɹˈɛd ˈæpəl"),
    ],
)
def test_pronunciation(text, voice, expected):
    assert espeak.phonemes(text, voice) == expected


def test_pronunciations_are_those_of_each_text_alone_without_marks_of_languages():
    texts = ["the old key", "key", "smiley", "the old key"]
    for voice in ("en-us", "de"):
        made = espeak.phonemes_all(texts, voice)
        assert made == [espeak.phonemes(text, voice) for text in texts]
        assert not set("()") & set("".join(made))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voice": "xx-unknown"}, "no language or accent 'xx-unknown'"),
        ({"voice": ""}, "no language or accent ''"),
        # eSpeak itself would take any of these two for "en-us".
        ({"voice": "en-us+nobody"}, r"no speaker 'nobody'.*f1, f2"),
        ({"voice": "en-us+"}, "no speaker ''"),
        ({"rate_wpm": 20}, "rate_wpm must be 80 to 450; got 20"),
        ({"pitch": 101}, "pitch must be 0 to 100; got 101"),
        ({"sample_rate": 0}, "sample_rate must be positive"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        espeak.speak("hello", **arguments)
    assert len(espeak.speak("hello"))  # The library is usable afterwards.


def test_the_voices_that_an_error_names_can_be_had():
    with pytest.raises(ValueError) as error:
        espeak.speak("hello", "nowhere")
    named = re.findall(r"en[\w-]*", str(error.value).partition("English ones are")[2])
    assert len(named) == 7
    for voice in named:
        assert espeak.speak("hello", voice).any()


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    for call in (espeak.speak, espeak.phonemes):
        with pytest.raises(ImportError, match=r'pip install "mmkeras\[demo\]"'):
            call("hello")
