"""The voice pipeline's five stages (stt, guard, router, agent, tts) and the providers behind them."""
