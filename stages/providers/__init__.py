"""Adapters to recognisers, language models and voices: one a file, the only place where its library is imported."""
