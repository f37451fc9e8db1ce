"""Lab 7's leaderboard: networks that a class handed in, measured here."""
