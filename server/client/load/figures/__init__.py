"""What is made of the facts of a run: figures, verdicts about objectives, and reports as data, text and a page."""
