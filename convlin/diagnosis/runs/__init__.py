"""Further runs of a model: what differs in them, and what they prove of a fix or of other inputs."""
