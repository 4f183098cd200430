"""A model of order flow as a file, JSON or YAML by its name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from novation.domain.errors import ConfigError, InvalidInput
from novation.domain.order_flow import OrderFlow

_YAML = (".yaml", ".yml")


def _known(path: Path, source: str) -> bool:
    """Whether the file is YAML."""
    if path.suffix not in (*_YAML, ".json"):
        raise InvalidInput("ends in .json, .yaml or .yml", source=source, value=path.name)
    return path.suffix in _YAML


def writable(path: str | Path, source: str = "out") -> Path:
    """The path, if a model may be written there: nothing is replaced."""
    _known(Path(path), source)
    return new_place(path, source)


def new_place(path: str | Path, source: str) -> Path:
    """The path of a file or folder that is not there yet, in a folder that is."""
    result = Path(path)
    if result.exists():
        raise InvalidInput("is there already", source=source, value=str(path), hint="Name another, or remove it.")
    if not result.parent.is_dir():
        raise InvalidInput(
            "is in no folder that is there", source=source, value=str(path), hint="Make the folder first."
        )
    return result


def write_model(model: OrderFlow, path: str | Path, source: str = "out") -> None:
    """Write a model to a file that is not there yet."""
    where = writable(path, source)
    text = msgspec.yaml.encode(model) if _known(where, source) else msgspec.json.format(msgspec.json.encode(model))
    where.write_bytes(text if text.endswith(b"\n") else text + b"\n")


def read_model(path: str | Path) -> OrderFlow:
    """The model of a file, checked."""
    where = Path(path)
    yaml = _known(where, str(path))
    if not where.is_file():
        raise ConfigError("no such file", source=str(path))
    try:
        decode = msgspec.yaml.decode if yaml else msgspec.json.decode
        model: OrderFlow = decode(where.read_bytes(), type=OrderFlow)
    except InvalidInput as error:  # what a model says of its own numbers
        raise ConfigError(error.problem, source=str(path), where=error.where, value=error.value) from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"is no model of order flow: {error}", source=str(path)) from error
    return model
