"""The mind of the scripted agent, pure: words to meaning, a conversation to what comes next."""
