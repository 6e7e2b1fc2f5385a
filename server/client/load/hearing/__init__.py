"""What callers say and hear: prepared speech, the loudspeaker, the answers in it, and the words of those."""
