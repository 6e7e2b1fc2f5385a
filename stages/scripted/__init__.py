"""The mind of the scripted agent, pure: from words to what they mean, from a conversation to what comes next."""
