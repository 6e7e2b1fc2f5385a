"""The server: one session, its floor, its wire and its limits, composed from the packages below.

Where to look:

- *One session*: `session` is its shell; `services` is what all sessions share; `values`, `commands`, `events` and
  `voice_events` are its words, `errors` and `ids` what belongs to them.
- *Whose turn it is*: `turns` is the table, `floor_keeper` obeys it. `hearing` and `utterance` make speech of audio,
  `speech` makes turns of speech, `overlaps` and `interruption` judge what is said over an answer.
- *One answer*: `answer` runs the pipeline, with `question`, `answer_context` and `prompt` going in, `gate` and
  `delivery` in between, `ladder` telling the client. `requests` are answers at the client's word, `announcements`
  those at nobody's.
- *What is remembered*: `memory`, `history` (as a model is told it), `items`, `spoken_items`, `clips` and
  `clip_reading`; `heard` and `playback` know how much of an answer was heard.
- *The way out*: `outbound` fences, gates and paces, `writer` writes, `wire` is what carries it. `dialects` are the
  protocols.
- *Tools of others*: `hosted`, `hosted_servers`, `hosted_calls`, `hosting_policy`.
- *What is told of turns*: `timeline`, `turn_reports`, `speculation`, `metrics`; `failures` is what the log has of one.
- *The front door*: `http`, `handshake`, `client_secrets`, `connection`, `request_body`, `pages`, `web_files`, and
  `web`, the page for people.
- *The process*: `app` puts everything together, from `settings` (`setting_names`, `tls`); `binding` is where it
  listens; `roster` are the live sessions; `cli` is the command line.
- *The other side*: `client` and `talk`; `address` finds the server.
"""
