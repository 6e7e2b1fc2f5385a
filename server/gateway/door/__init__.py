"""Who may come in, and what is answered over plain HTTP: quotas, places, client secrets, and the front door itself."""
