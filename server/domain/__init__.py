"""What a dialect and a session say to each other: commands, events, values and errors. No dialect's words, no
I/O.
"""
