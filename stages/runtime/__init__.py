"""What models run on: worker threads shared by all sessions, ONNX sessions, and the store of model files."""
