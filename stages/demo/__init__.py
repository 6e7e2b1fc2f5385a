"""The scripted agent that answers when no chat model is configured: words to meaning, a conversation to what
comes next. It is no language model.
"""
