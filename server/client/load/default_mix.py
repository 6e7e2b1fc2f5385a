"""What callers do where no scenario is given. Pure."""

from server.client.load.script import Mix

DEFAULT_MIX = Mix.model_validate(
    {
        "objectives": ["v2v_p90<2000", "gaps=0", "missed=0", "not_stopped=0", "false_answers=0", "lost=0"],
        "scenarios": [
            {
                "name": "question",
                "weight": 5,
                "steps": [{"say": "What time is it now?"}, {"say": "What is twelve times seven?"}],
            },
            {
                "name": "pause",
                "weight": 2,
                "steps": [{"say": ["I would like to book a table", 500, "for four people tonight."]}],
            },
            {
                "name": "barge-in",
                "weight": 2,
                "steps": [
                    {"say": "Tell me what you can do for me."},
                    {"barge_in": {"say": "Stop, please. What time is it?", "after_ms": 600}},
                ],
            },
            {
                "name": "noise",
                "weight": 1,
                "steps": [{"noise_ms": 800, "level_dbfs": -45}, {"silence_ms": 500}],
            },
            {"name": "hang-up", "weight": 1, "steps": [{"say": "Who are you?"}, {"hang_up": True}]},
        ],
    }
)
