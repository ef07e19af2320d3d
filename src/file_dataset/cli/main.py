"""The command's frame: what its subcommands share, and the exit codes they end with.

0: all came through; 1: something did not; 2: wrong usage or wrong input; 3: nothing can come
through; 130 and 143: stopped by Ctrl-C or by a termination signal.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from typing import NoReturn

import click

from file_dataset import FileDatasetError
from file_dataset.cli import codes
from file_dataset.cli.committed import recover, verify
from file_dataset.cli.copying import cp, get, put
from file_dataset.cli.demo import demo
from file_dataset.cli.files import ls, sizes
from file_dataset.cli.ingest import ingest
from file_dataset.cli.map import map as map_
from file_dataset.cli.packing import pack, unpack
from file_dataset.cli.plan import plan
from file_dataset.cli.run import retry, run
from file_dataset.cli.signals import Interrupted, catch_signals
from file_dataset.cli.stores import stores


class _InOrder(click.Group):
    """Lists its commands as they were added, the first ones first."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - whoever asks
        """Their names."""
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens; show tracebacks.")
@click.version_option(package_name="file-dataset")
@click.pass_context
def command(context: click.Context, *, verbose: bool) -> None:
    """Run functions of local files over tables of files that may be anywhere.

    Exit codes: 0 all came through, 1 something did not, 2 wrong usage or wrong input, 3 nothing
    can come through, 130 and 143 ended by Ctrl-C or by a termination signal. Errors are one line;
    -v shows where they come from.

    Completion: eval "$(_FILE_DATASET_COMPLETE=bash_source file-dataset)", or zsh_source, or
    fish_source.
    """
    context.obj = verbose
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, stream=sys.stderr)


for _subcommand in (
    demo, run, retry, plan, get, put, ls, sizes, cp, pack, unpack, ingest, map_, verify, recover,
    stores,
):  # fmt: skip
    command.add_command(_subcommand)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command, and exit with its code.

    Args:
        arguments: What follows the command's name; None takes the process's own.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    is_verbose = bool({"-v", "--verbose"} & set(arguments))
    catch_signals()
    with warnings.catch_warnings():
        if not is_verbose:
            warnings.showwarning = _warn
        code = _done(arguments, is_verbose=is_verbose)
    sys.exit(code)


def _done(arguments: list[str], *, is_verbose: bool) -> int:
    try:
        return command.main(arguments, prog_name="file-dataset", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        if is_verbose and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        _tell("Error", _told(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        # Click makes one of the other.
        cause = error if isinstance(error, Interrupted) else error.__cause__
        click.echo("Interrupted; temporary files are gone.", err=True)
        return cause.exit_code if isinstance(cause, Interrupted) else codes.INTERRUPTED
    except (FileDatasetError, ValueError, TypeError, ImportError, OSError) as error:
        if is_verbose:
            raise
        _tell("Error", error)
        return codes.of_error(error)


def _told(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.option_name in ("-v", "--verbose"):
        return f"{error.option_name} comes before the command: file-dataset -v COMMAND"
    text = error.format_message()
    # What Click finds by itself is about the usage, of which there is more to say.
    if type(error) not in (click.UsageError, click.ClickException):
        context = getattr(error, "ctx", None)
        text += f" Try '{context.command_path} --help'." if context is not None else ""
    return text


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    _tell("Warning", message)


def _tell(what: str, words: object) -> None:
    click.echo(f"{what}: {' '.join(str(words).split())}", err=True)
