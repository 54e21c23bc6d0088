"""Servers on this machine: find a free port, and end at Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

TRIES = 50


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the local machine.

    Raises:
        click.ClickException: the system forbids the port to this user.
    """
    with socket.socket() as trial:
        # As the servers do: a port that a server left a second ago is free again.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise click.ClickException(
                f"this user may not listen on port {port}: choose one from 1024 up with --port."
            ) from error
        except OSError:
            return False
        return True


def free_port(wanted: int) -> int:
    """Return `wanted` or, said on stderr, the next free port after it.

    Raises:
        click.ClickException: none of the next ports is free.
    """
    for port in range(wanted, min(wanted + TRIES, 65536)):
        if is_free(port):
            if port != wanted:
                click.echo(f"Port {wanted} is busy; using {port}.", err=True)
            return port
    raise click.ClickException(
        f"port {wanted} and the {TRIES - 1} after it are all busy: choose another with --port."
    )


def until_ctrl_c(server: ServerApp) -> None:
    """Run a Jupyter server. Ctrl-C ends it and its kernels at once, without a question.

    Raises:
        KeyboardInterrupt: it was ended so.
    """
    heard = []

    def end(number: int, frame: object) -> None:
        heard.append(number)
        server.log.setLevel(logging.CRITICAL + 1)  # no farewell of several lines
        server.stop(from_signal=True)

    signal.signal(signal.SIGINT, end)
    server.start()
    server.io_loop.run_sync(end_requests)
    if heard:
        raise KeyboardInterrupt


async def end_requests() -> None:
    """End what a stopped loop was still answering, as `asyncio.run` does.

    The threads of a request wait for its end, and Python, before it ends, waits for them.
    """
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
