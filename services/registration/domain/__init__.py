"""What registration decides: events on offer, seats, forms. No I/O, no clock, no randomness."""
