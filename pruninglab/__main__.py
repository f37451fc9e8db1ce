"""The students' commands: `pruninglab doctor`, `start`, `submit`."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

COMMANDS = {
    "doctor": "check that this machine is ready for the course (ten seconds)",
    "start": "open JupyterLab on a page with the labs and what you have done so far",
    "submit": "look over a lab and pack it for handing in: the notebook here, or submit PATH",
}


def main() -> None:
    """Run the command that was typed; each has its own --help."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        lines = [f"  {command:<8} {what}" for command, what in COMMANDS.items()]
        usage = "\n".join(["usage: python -m pruninglab COMMAND [--help]", "", *lines])
        if name in ("", "-h", "--help"):
            print(usage)
            return
        sys.exit(f"error: there is no command {name!r}\n\n{usage}")
    sys.argv = [f"python -m pruninglab {name}", *sys.argv[2:]]
    if name != "submit" and {"-h", "--help"} & set(sys.argv[1:]):  # which explains its options
        print(f"usage: python -m pruninglab {name}\n\n{explained(name)}")
        return
    try:
        command = importlib.import_module(f"pruninglab.student.{name}")
    except ModuleNotFoundError as error:  # a light installation, without Jupyter
        if str(error.name).startswith("pruninglab"):
            raise
        sys.exit(f"error: {name} needs {error.name}: pip install 'pruninglab[jupyter]'")
    command.main()


def explained(name: str) -> str:
    """Return what a command's module says of itself; importing it may take seconds."""
    source = Path(__file__).parent / "student" / f"{name}.py"
    return ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""


if __name__ == "__main__":
    main()
