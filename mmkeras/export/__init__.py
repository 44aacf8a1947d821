"""Export to TensorFlow Serving and LiteRT, each file run by its real runtime before it counts."""

from mmkeras.export.litert import litert
from mmkeras.export.litert_steps import litert_steps
from mmkeras.export.saved_model import saved_model
from mmkeras.export.verify import ExportError, Verification

__all__ = ["ExportError", "Verification", "litert", "litert_steps", "saved_model"]
