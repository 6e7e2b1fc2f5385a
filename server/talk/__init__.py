"""A person at a terminal: microphone and loudspeaker on one side, a server that speaks `voice.v1` on the other.

`sound` is the shell around PortAudio, `conversation` the one around the socket; what the client knows and says of the
voice is `call`, and what the person reads is `captions`. `audio.play_ring` knows what has been heard. With a recording
instead of a person, `waterfall` tells what it took.
"""
