"""What a stage is handed: `inputs`, the results upstream, and `ports`, its ways to the world."""
