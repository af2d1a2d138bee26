"""The jobs of the agent: what takes minutes, has a large answer, or needs modules that the agent should not keep. See `agent.jobs`."""
