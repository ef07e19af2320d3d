"""The command's frame: what its subcommands share, and the exit codes they end with.

0: all rows came through; 1: some did not; 2: wrong usage or wrong input; 3: no row can come
through; 130 and 143: stopped by Ctrl-C or by a termination signal.
"""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

import click

from file_dataset import FileDatasetError
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

_SOME_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


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
    catch_signals()
    try:
        code = command.main(arguments, prog_name="file-dataset", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        # Click makes one of the other.
        cause = error if isinstance(error, Interrupted) else error.__cause__
        click.echo("Interrupted; temporary files are gone.", err=True)
        code = cause.exit_code if isinstance(cause, Interrupted) else _INTERRUPTED
    except (FileDatasetError, ValueError, TypeError, ImportError, OSError) as error:
        if {"-v", "--verbose"} & set(arguments):
            raise
        click.echo(f"Error: {' '.join(str(error).split())}", err=True)
        is_usage = isinstance(error, ValueError | TypeError | ImportError)
        code = _USAGE if is_usage else _SOME_FAILED
    sys.exit(code)
