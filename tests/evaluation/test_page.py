"""The page holds every number and needs nothing else, whatever the names in it are."""

import base64
import csv
import html.parser
import io
import os
import re
import sys

import numpy as np
import PIL.Image
import pytest

from mmkeras.evaluation import Estimate, Gap, Report, save_page
from mmkeras.evaluation import page as pages
from mmkeras.evaluation.calibration import Reliability
from mmkeras.evaluation.litert import LiteRTComparison
from mmkeras.evaluation.worst import Shown, WorstSample
from mmkeras.sound import wav

EVIL = '<script>alert("1")</script> $a_{$ 漢字'
PNG = b"\x89PNG\r\n\x1a\n"


def made(**changes):
    """A report of 80 samples in three groups, one of which has an evil name and one is small."""
    groups = ["anna"] * 35 + [EVIL] * 35 + ["small"] * 10
    targets = [i % 2 for i in range(80)]
    answers = [target if i % 5 else 1 - target for i, target in enumerate(targets)]
    parts = {
        "anna": {"mood_accuracy": Estimate(0.8125, 0.7, 0.9, 0.05, 35)},
        EVIL: {"mood_accuracy": Estimate(0.5, 0.4, 0.6, 0.05, 35)},
        "small": {"mood_accuracy": Estimate(None, count=10, note="no sample is <b>down</b>")},
    }
    given = {
        "source": f"Table({EVIL})",
        "count": 80,
        "measures": {"mood_accuracy": Estimate(0.654321, 0.6, 0.7, 0.02, 80)},
        "slices": {"voice": parts},
        "gaps": [
            Gap("voice", EVIL, "mood", 2.0, 1.0, 35, 0.001, True),
            Gap("voice", "anna", "mood", 1.0, 1.5, 35, 0.9, False),
            Gap("voice", "small", "mood", 1.0, 1.5, 10, 1.0, False, tested=False),
        ],
        "confusion": {"mood": [[32, 8], [8, 32]]},
        "classes": {"mood": ["up", EVIL]},
        "reliability": {"mood": Reliability((0.55, 0.9), (0.5, 0.875), (40, 40), 0.0375)},
        "losses": {"mood": [1.0] * 80},
        "groups": {"voice": groups},
        "warnings": ["mind this."],
        "targets": {"mood": targets},
        "answers": {"mood": answers},
    }
    return Report(**(given | changes))


class Reader(html.parser.HTMLParser):
    """The elements and the visible text of a page."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    picture = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), "red").save(picture, "png")
    sound = wav.encode(np.zeros(800, "int16"), 8000)
    shown = [
        Shown("text", EVIL),
        Shown("photo", image=picture.getvalue()),
        Shown("voice", audio=sound),
    ]
    robust = {
        "noise of photo": {
            0.0: {"mood_accuracy": Estimate(0.9, 0.8, 1.0, 0.05, 80)},
            1.0: {"mood_accuracy": Estimate(None, note="no label is left")},
        }
    }
    path = save_page(
        made(),
        folder,
        title=EVIL,
        robustness=robust,
        contributions={"mood_f1": {"photo": 0.25, "voice": -0.125}, "stars_mae": {"photo": -1.0}},
        worst={"mood": [WorstSample(f"row {EVIL}", 9.0, "up", EVIL, shown)]},
        litert=LiteRTComparison(
            {"float32": {"size_bytes": 135_956, "latency_ms": 1.05742, "mood_f1": None}}, 90, 1
        ),
    )
    return path, Reader(path.read_text(encoding="utf-8"))


def test_files_for_devices_are_compared(written):
    path, page = written
    assert all(told in page.text for told in ("90 samples and 1 thread", "135,956", "1.057"))
    assert "undefined" in page.text[page.text.index("135,956") :]
    assert "135956" in (path.parent / "files.csv").read_text()


def test_user_text_is_text(written):
    _, page = written
    assert not {"script", "b", "link", "iframe"} & {*page.tags}
    # The title twice, and wherever the group, the class, the place, the answer, the text stand.
    assert page.text.count(EVIL) >= 8
    assert "no sample is <b>down</b>" in page.text
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_it_needs_nothing_else_and_its_pictures_load(written):
    path, page = written
    sources = [value for name, value in page.attributes if name in ("src", "srcset", "href")]
    assert all(value.startswith(("data:image/png;", "data:audio/wav;")) for value in sources)
    contents = [base64.b64decode(value.split(",")[1]) for value in sources]
    pictures = [content for content in contents if content.startswith(PNG)]
    for content in pictures:
        PIL.Image.open(io.BytesIO(content)).load()
    # Whiskers, matrix, reliability, robustness and contributions, light and dark; and the photo.
    assert len(pictures) == 2 * 6 + 1 and len(contents) == len(pictures) + 1
    assert not re.search(r"url\(|@import|https?:", path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 10e6


def test_what_it_says(written):
    _, page = written
    text = " ".join(page.text.split())
    assert "1 group is worse off than chance explains" in text
    assert "voice: small (10)" in text and "too few to judge" in text
    assert "0.6543 0.6000 to 0.7000" in text
    assert "undefined: no label is left" in text and "mind this." in text
    assert "stars_mae: lower is better" in text
    assert "0.3125" in text, "the largest difference, between large groups"
    stripped = re.sub(r"<[^>]*>", " ", page.text)
    assert not re.search(r"\b(nan|None|inf)\b", stripped)


def test_without_alarms_and_without_slices(tmp_path):
    calm = [Gap("voice", "anna", "mood", 1.0, 1.0, 35, 0.9, False)]
    text = save_page(made(gaps=calm), tmp_path).read_text(encoding="utf-8")
    assert "No group is worse off than chance explains." in text and "1 comparison was" in text
    bare = made(slices={}, gaps=[], groups={}, confusion={}, reliability={}, warnings=[])
    text = save_page(bare, tmp_path).read_text(encoding="utf-8")
    assert "No groups were compared" in text
    for section in ("slices", "gaps", "fairness", "confusion", "reliability", "robustness",
                    "contributions", "worst", "warnings"):  # fmt: skip
        assert f'<section id="{section}">' not in text, section


def test_numbers_of_an_earlier_page_do_not_stay(tmp_path):
    shares = {"mood_f1": {"photo": 0.25}}
    save_page(made(), tmp_path, contributions=shares)
    (tmp_path / "mine.csv").write_text("a,b")
    save_page(made(confusion={}), tmp_path)
    left = {path.name for path in tmp_path.glob("*.csv")}
    assert "contributions.csv" not in left and "confusion_mood.csv" not in left
    assert {"mine.csv", "measures.csv"} <= left


def test_the_files_beside_it(written):
    path, _ = written
    read = {
        file.name: list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
        for file in path.parent.glob("*.csv")
    }
    assert sorted(read) == [
        "confusion_mood.csv", "contributions.csv", "fairness.csv", "files.csv", "gaps.csv",
        "measures.csv", "reliability_mood.csv", "robustness.csv", "slices.csv",
    ]  # fmt: skip
    assert read["measures.csv"][1][:2] == ["mood_accuracy", "0.654321"]
    assert read["slices.csv"][2][:4] == ["voice", EVIL, "mood_accuracy", "0.5"]
    assert read["slices.csv"][3][3] == "" and read["slices.csv"][3][-1].startswith("no sample")
    assert read["confusion_mood.csv"] == [["true class", "up", EVIL], ["up", "32", "8"],
                                          [EVIL, "8", "32"]]  # fmt: skip
    assert read["robustness.csv"][1][:4] == ["noise of photo", "0.0", "mood_accuracy", "0.9"]
    assert Report.load(path.with_name("report.json")) == Report.from_json(made().to_json())


def test_interrupted(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(draft, path):
        if str(path).endswith("report.html"):
            raise KeyboardInterrupt
        replace(draft, path)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_page(made(), tmp_path)
    assert not (tmp_path / "report.html").exists()
    monkeypatch.undo()
    before = save_page(made(), tmp_path, title="before").read_bytes()
    monkeypatch.setattr(pages.plots, "heat_map", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_page(made(), tmp_path, title="after")
    assert (tmp_path / "report.html").read_bytes() == before
    assert not list(tmp_path.glob("*unfinished*"))


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "fairlearn.metrics"])
def test_missing_packages_are_named(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"mmkeras\[report\]"):
        save_page(made(), tmp_path)
    assert not list(tmp_path.iterdir())
