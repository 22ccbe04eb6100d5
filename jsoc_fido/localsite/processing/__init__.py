"""
Processing of images in exports: cutting, rebinning, resizing, projecting (contract F).

A request names the steps, `parse` reads them, `process` carries them out. What comes out are new records of a series of
its own, which are exported as all others are.
"""

from jsoc_fido.localsite.processing.carry_out import Processed, discard, process
from jsoc_fido.localsite.processing.wire import Step, parse

__all__ = ["Processed", "Step", "discard", "parse", "process"]
