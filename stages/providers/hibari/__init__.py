"""The embedded voice: English speech by hibari-tts, with the times of its words."""
