"""Use cases of the registration service: a batch of messages and a transaction in, effects out."""
