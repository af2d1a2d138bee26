"""Questions of other processes to the agent."""
