"""Tasks: from a raw label to a target, a head, a loss, metrics, and back to what a person reads."""

from mmkeras.tasks.classification import Classification
from mmkeras.tasks.contrastive import Contrastive
from mmkeras.tasks.masked_image_model import MaskedImageModel
from mmkeras.tasks.masked_language_model import MaskedLanguageModel
from mmkeras.tasks.masked_speech_model import MaskedSpeechModel
from mmkeras.tasks.object_detection import ObjectDetection
from mmkeras.tasks.regression import Regression
from mmkeras.tasks.semantic_segmentation import SemanticSegmentation
from mmkeras.tasks.speech_recognition import SpeechRecognition
from mmkeras.tasks.speech_synthesis import SpeechSynthesis
from mmkeras.tasks.text_generation import TextGeneration
from mmkeras.tasks.token_classification import TokenClassification
from mmkeras.tasks.vocoding import Vocoding

__all__ = [
    "Classification",
    "Contrastive",
    "MaskedImageModel",
    "MaskedLanguageModel",
    "MaskedSpeechModel",
    "ObjectDetection",
    "Regression",
    "SemanticSegmentation",
    "SpeechRecognition",
    "SpeechSynthesis",
    "TextGeneration",
    "TokenClassification",
    "Vocoding",
]
