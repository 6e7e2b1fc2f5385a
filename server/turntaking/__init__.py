"""Whose turn it is: the floor's table, listening, sounds over an answer, where a turn ends, and what an agent
expects.
"""
