"""What is said where a pass stopped and no rule of a layer or function says why."""
