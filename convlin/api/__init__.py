"""The functions that users call: summarize, watch, fit, the shortcuts and the Print layer."""
