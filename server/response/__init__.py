"""One response: its run of the pipeline, its commit gate, what the model is given, and what the client is
told of it.
"""
