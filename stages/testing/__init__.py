"""For people who write providers and stages: scripted providers, and the contract that every provider keeps."""
