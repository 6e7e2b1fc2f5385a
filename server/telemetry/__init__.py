"""What operators see: the timeline of a response, metrics, and what the log says of a failure."""
