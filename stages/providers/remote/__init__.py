"""Recognisers and voices that run in another process or on another machine: the model tier (`stages.tier`)."""
