"""What students run in a terminal: is the machine ready, open the labs, hand one in."""
