"""Files of settings: TOML, or JSON by their name, of which every key must mean something."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pprl.errors import PprlError

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_settings(path: str | Path, model: type[ModelT]) -> ModelT:
    """Read a file.

    Parameters
    ----------
    path : str or Path
        JSON where its name ends in ``.json``, else TOML.
    model : type
        What it is to be.

    Raises
    ------
    PprlError
        It is missing or malformed; names the file and the place in it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        return model.model_validate(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except OSError as error:
        raise PprlError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise PprlError(f"{path}: {f'{place}: ' if place else ''}{said[:1].lower()}{said[1:]}") from None
    except (ValueError, RecursionError) as error:
        raise PprlError(f"{path}: is malformed ({error})") from None
