"""Samples: codecs, framing, resampling, voice activity, endpointing, pacing. Pure; knows no stages."""
