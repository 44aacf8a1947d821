"""mmkeras: multimodal Transformers in TensorFlow and Keras.

raw sample ─Modality→ tensors ─Encoder→ Tokens ─Fusion→ Tokens ─Task→ outputs ─decode→ answer
"""

from mmkeras import (
    contracts,
    datasets,
    decoding,
    encoders,
    evaluation,
    export,
    fusions,
    generation,
    layers,
    losses,
    metrics,
    mixes,
    retrieval,
    sliding_window,
    sources,
    tokenizers,
    training,
    transcription,
    transparency,
    vocoding,
)
from mmkeras.evaluation import evaluate
from mmkeras.modalities import Audio, Image, Text, Words
from mmkeras.model import MultimodalModel
from mmkeras.pipeline import SkippedSamples, pipeline
from mmkeras.tasks import (
    Classification,
    Contrastive,
    MaskedImageModel,
    MaskedLanguageModel,
    MaskedSpeechModel,
    ObjectDetection,
    Regression,
    SemanticSegmentation,
    SpeechRecognition,
    SpeechSynthesis,
    TextGeneration,
    TokenClassification,
    Vocoding,
)
from mmkeras.tokens import Tokens
from mmkeras.training import tune

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "Classification",
    "Contrastive",
    "Image",
    "MaskedImageModel",
    "MaskedLanguageModel",
    "MaskedSpeechModel",
    "MultimodalModel",
    "ObjectDetection",
    "Regression",
    "SemanticSegmentation",
    "SkippedSamples",
    "SpeechRecognition",
    "SpeechSynthesis",
    "Text",
    "TextGeneration",
    "TokenClassification",
    "Tokens",
    "Vocoding",
    "Words",
    "contracts",
    "datasets",
    "decoding",
    "encoders",
    "evaluate",
    "evaluation",
    "export",
    "fusions",
    "generation",
    "layers",
    "losses",
    "metrics",
    "mixes",
    "pipeline",
    "retrieval",
    "sliding_window",
    "sources",
    "tokenizers",
    "training",
    "transcription",
    "transparency",
    "tune",
    "vocoding",
]
