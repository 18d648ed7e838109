"""Facts computed from a report: the path of a tensor, receptive field, memory."""
