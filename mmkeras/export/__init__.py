"""Export to TensorFlow Serving and LiteRT, each file run by its real runtime before it counts."""

from mmkeras.export.footprint import Footprint, footprint
from mmkeras.export.litert import litert
from mmkeras.export.litert_steps import litert_steps
from mmkeras.export.model_card import model_card
from mmkeras.export.saved_model import saved_model
from mmkeras.export.verify import ExportError, Verification

__all__ = [
    "ExportError",
    "Footprint",
    "Verification",
    "footprint",
    "litert",
    "litert_steps",
    "model_card",
    "saved_model",
]
