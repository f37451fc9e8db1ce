"""Hand in a lab from its notebook: a button for what `pruninglab submit` does in a terminal.

`button` shows it and calls the command, `which` knows the notebook's file and whether it looks
saved, `report` makes a page of what the command says.
"""

from pruninglab.hand_in.button import hand_in

__all__ = ["hand_in"]
