"""Renamed sentences: every entity stands where its label says, and what is around it stays."""

import random

from hypothesis import given, strategies

from mmkeras.renaming import InventedNames, renamed

NAMES = ("Åland", "New Zealand", "Iceland", "猫の国", "Finland")


@strategies.composite
def sentences(draw):
    """A row, and what stands between its entities."""
    parts = draw(strategies.lists(strategies.text("ab ,.é", max_size=6), min_size=1, max_size=4))
    text, entities = parts[0], []
    for part in parts[1:]:
        name, kind = draw(strategies.sampled_from(NAMES)), draw(strategies.sampled_from("XY"))
        entities.append(f"{len(text)}:{len(text) + len(name)}:{kind}")
        text += name + part
    return {"text": text, "entities": " ".join(entities) or " "}, parts


@given(strategies.lists(sentences(), min_size=1, max_size=5), strategies.floats(0, 1))
def test_only_names_change(drawn, share):
    rows = [row for row, _ in drawn]
    made = renamed(rows, share=share, seed=3)
    assert made == renamed(rows, share=share, seed=3)
    for row, old, (_, parts) in zip(made, rows, drawn):
        spans = [item.split(":") for item in row["entities"].split()]
        assert [s[2] for s in spans] == [item.split(":")[2] for item in old["entities"].split()]
        done, around = 0, []
        for start, end, _ in spans:
            around.append(row["text"][done : int(start)])
            assert int(end) > int(start)
            done = int(end)
        assert [*around, row["text"][done:]] == parts


def test_share_says_how_many():
    names = ("Banana", "Bandana", "Cabana", "Havana", "Savanna")
    rows = [{"text": name, "entities": f"0:{len(name)}:X"} for name in names * 200]
    kept = sum(row["text"] in names for row in renamed(rows, share=0.3))
    assert 650 < kept < 750
    assert all(row["text"] not in names for row in renamed(rows, share=1.0))


def test_invented_names_are_spelt_like_names():
    invented = InventedNames(NAMES, random.Random(0))
    made = {invented.another("Any") for _ in range(50)} - {"Any"}
    parts = {("\0\0" + name + "\0")[i : i + 3] for name in NAMES for i in range(len(name) + 1)}
    for name in made:
        written = "\0\0" + name + "\0"
        assert name[0].isupper()
        assert all(written[i : i + 3] in parts for i in range(len(name) + 1))
    # Where there is but one way to spell, the name has to do.
    assert InventedNames(["ab"], random.Random(0)).another("cd") == "cd"
