"""The contract suite: does a modality, a tokenizer, an encoder, ... keep its contract?

Each check raises an `AssertionError` that says what is broken; no test framework is needed. They
run on Keras' TensorFlow backend, in seconds:

>>> from mmkeras.fusions import Late
>>> check_fusion(Late)
"""

from mmkeras.testing.encoder import check_encoder
from mmkeras.testing.fusion import check_fusion
from mmkeras.testing.modality import check_modality
from mmkeras.testing.task import check_task
from mmkeras.testing.tokenizer import check_tokenizer

__all__ = ["check_encoder", "check_fusion", "check_modality", "check_task", "check_tokenizer"]
