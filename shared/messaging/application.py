"""The composition of a service's process: consumer, relay, maintenance, health, metrics."""
