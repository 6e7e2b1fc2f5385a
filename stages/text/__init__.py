"""Text around speech, pure: sentences, what a voice should say for what is written, word times, matching."""
