"""Samples: formats, codecs, framing, resampling, voice activity, endpointing and pacing. Pure; knows nothing of stages."""
