"""Moonshine base-en on onnxruntime: its cost goes with the length of the speech, so captions come early."""
