"""The page for people, as files and as answers to requests; what it consists of lies in `server/gateway/web`."""
