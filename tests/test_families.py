import collections

from hypothesis import given
from hypothesis import strategies as st

from mmkeras.families import SHARES, Families, split_families

keys = st.text("abcdefgh", min_size=1, max_size=1)


@given(st.lists(st.tuples(keys, keys)))
def test_families_are_connected_components(pairs):
    families = Families()
    for one, other in pairs:
        families.join(one, other)
    # The oracle: components grown until nothing changes.
    component = {key: {key} for pair in pairs for key in pair}
    for _ in component:
        for one, other in pairs:
            union = component[one] | component[other]
            for key in union:
                component[key] = union
    for key, members in component.items():
        assert families.find(key) == min(members)


@given(st.lists(st.tuples(st.integers(0, 30).map(str), st.sampled_from("xy")), max_size=60))
def test_families_stay_whole(things):
    families = [family for family, _ in things]
    where = split_families(families, [category for _, category in things])
    assert len(where) == len(things)
    assert len(set(zip(families, where, strict=True))) == len(set(families))


def test_every_category_has_its_shares():
    things = [(f"{category} {i}", category) for category in "xyz" for i in range(100)]
    where = split_families(*zip(*things, strict=True))
    counts = collections.Counter((c, split) for (_, c), split in zip(things, where, strict=True))
    for category in "xyz":
        assert counts[category, "train"] == 70
        for split, share in SHARES.items():
            assert counts[category, split] == 100 * share


def test_a_family_too_large_to_be_held_out_is_trained_on():
    assert split_families(["large"] * 9 + ["small"], ["x"] * 10) == ["train"] * 9 + ["test"]


def test_order_does_not_matter():
    names = [f"thing {i}" for i in range(50)]
    forth = dict(zip(names, split_families(names, ["x"] * 50), strict=True))
    back = dict(zip(names[::-1], split_families(names[::-1], ["x"] * 50), strict=True))
    assert forth == back
