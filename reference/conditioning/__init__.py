"""A reference voice to what the speech is conditioned on: prompt tokens and mel, x-vector, T3's prompt and speaker."""
