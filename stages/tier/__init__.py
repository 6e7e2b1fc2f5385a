"""The model tier: recognisers and voices as a service of their own, for servers that reach them as `stt = "remote"` and
`tts = "remote"` (`stages.providers.remote`, which has the messages). One process by itself (`plain`), or replicas on
Ray Serve (`on_ray`, the only file that imports Ray)."""
