"""Documents for people: what they consist of, how they are written, and a plan in a language."""
