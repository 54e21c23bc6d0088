"""The `course` command: build, run, test and grade the course.

Each command lives in a module of its own and is imported only when it is used, so that
`course --help` answers at once.
"""

from contextlib import suppress
from importlib import import_module

import click

from course_lib import __version__
from course_lib.chapters import WrongCourse, course
from course_lib.cli.place import NO_PLACE, a_home, here, no_place

# command: (module, one line for the help page)
COMMANDS = {
    "book": ("book", "Build the book and serve it on this machine."),
    "lab": ("lab", "Open JupyterLab on the course."),
    "run": ("run", "Run chapters and store their outputs."),
    "test": ("test", "Run every check of the course."),
    "bench": ("bench.command", "Measure what the course promises about time."),
    "evidence": ("evidence", "List the claims of the chapters, as measured."),
    "adopt": ("adopt", "Make files follow the course's name, address and chapters."),
    "release": ("release", "Make the student's version of assignments."),
    "check": ("check", "Check your own notebook before you hand it in: it runs without a jail."),
    "grade": ("grade", "Grade a folder of submissions in a jail."),
    "export": ("export", "Hand grades over to Canvas, Moodle or a spreadsheet."),
    "formgrader": ("formgrader", "Grade the written answers, in a browser."),
    "mutants": ("mutants", "Show that each known mistake loses its points."),
    "sweep": ("sweep", "Run an experiment over a grid, here or on a cluster."),
    "doctor": ("doctor", "Say what this machine has and lacks."),
}

SUBJECT = "a hands-on course on magnitude pruning."
STOPPED = 130  # the exit code of what was ended by Ctrl-C: what shells say


class LazyGroup(click.Group):
    """A click group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; a missing package becomes a sentence, not a traceback."""
        if cmd_name not in COMMANDS:
            return None
        try:
            module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        except ModuleNotFoundError as error:
            raise _lacking(error, f"`course {cmd_name}`") from error
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say whose command it is, by the name of the course that it lies in."""
        with suppress(WrongCourse):  # whose sentence is for a command that needs it
            self.help = f"{course().name}: {SUBJECT}"
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a package or a right that turns out to be missing becomes a sentence.

        So does Ctrl-C: whatever runs has been ended by then, and the exit code says it.
        """
        here()  # a folder that was deleted is told at once: some libraries abort in it
        try:
            with a_home():
                return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise _lacking(error, "this command") from error
        except WrongCourse as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in NO_PLACE:
                raise
            raise click.ClickException(no_place(error)) from error
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)  # the terminal has written ^C
            raise SystemExit(STOPPED) from None


def _lacking(error: ModuleNotFoundError, what: str) -> click.ClickException:
    return click.ClickException(
        f"{what} needs the Python module {error.name!r}, which is not installed here. "
        "In the course folder: make setup (for the tests: make test). Without make: "
        'pip install -c constraints.txt -e ".[all]".'
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="course")
def main() -> None:
    """A hands-on course on magnitude pruning."""  # its name is put before it
