"""Devices by name. Each is opened once, and CPU threads are started again after a fork."""

from __future__ import annotations

import os

from . import _wavemill
from ._wavemill import Device

_opened: dict[tuple[str, int], Device] = {}
# Devices of the parent process, whose threads a fork does not copy: they are kept so that nothing waits for them.
_left_behind: list[dict[tuple[str, int], Device]] = []


def device(name: str | Device = "cpu", nthreads: int = 0) -> Device:
    """The device of this name: ``"cpu"``, ``"gpu"``, ``"gpu:N"`` or ``"auto"``.

    Parameters
    ----------
    name : str or Device
        A GPU is found by its number in `show`; ``"auto"`` takes the first GPU that is hardware and passes its
        self-test, else the CPU.
    nthreads : int
        Threads of the CPU; 0 means one for each core.

    Examples
    --------
    >>> import wavemill
    >>> wavemill.device("cpu", nthreads=2).name
    'CPU, 2 threads'
    """
    if isinstance(name, Device):
        return name
    if nthreads < 0:
        raise ValueError(f"nthreads = {nthreads}; must be 0 (one thread for each core) or more")
    key = (name, nthreads)
    found = _opened.get(key)
    if found is None:
        found = _opened[key] = Device(name, nthreads)
    return found


def show() -> None:
    """Print the devices found, with what they can do and which one ``"auto"`` picks."""
    print(_wavemill.devices(), end="")


def _forget() -> None:
    global _opened
    _left_behind.append(_opened)
    _opened = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
