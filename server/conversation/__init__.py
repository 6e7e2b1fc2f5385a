"""What has been said: items and their order, utterances on their way to words, how much of an answer was
heard, and the history that a model is given.
"""
