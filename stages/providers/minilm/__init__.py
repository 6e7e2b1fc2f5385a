"""What a sentence means, by all-MiniLM-L6-v2: vectors of sentences, and intents by examples of them.

No provider of any kind, but what agents, routers and guards of one's own may ask (`Intents`), as the demo does.
"""
