"""The jobs of the agent: what takes minutes, has a large answer, or needs modules that it should not keep. See `agent.questions.jobs`."""
