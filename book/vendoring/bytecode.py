"""Runs in Pyodide: writes bytecode into its archives, of what a page imports at its start.

It goes behind what is in them, and none of that is changed: without it an archive is again the
package's, byte for byte. Bytecode says of which source it is, by a hash that no import looks at.
"""

import importlib
import sys
import zipfile
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash

import numpy as np

# What a check needs beside what NumPy has imported by now.
for each in "ast dataclasses decimal functools json linecache signal traceback".split():
    importlib.import_module(each)
SITE = np.__file__.removesuffix("numpy/__init__.py")
LOADED = {getattr(module, "__file__", None) for module in sys.modules.values()}


def add(archive: str, root: str, beside: bool) -> None:
    """Add bytecode to an archive whose files lie in `root`.

    beside: it lies beside its source, as where Python imports from the archive itself.
    """
    with zipfile.ZipFile(archive, "a") as whole:
        for name in whole.namelist():
            if root + name not in LOADED or not name.endswith(".py"):
                continue
            source = whole.read(name)
            code = compile(source, root + name, "exec", dont_inherit=True)
            folder, _, module = name.rpartition("/")
            cached = f"{folder}/__pycache__/{module[:-3]}.{sys.implementation.cache_tag}.pyc"
            info = zipfile.ZipInfo(f"{name}c" if beside else cached)
            data = _code_to_hash_pyc(code, source_hash(source), False)
            whole.writestr(info, data, zipfile.ZIP_DEFLATED)


add("/python_stdlib.zip", "/lib/python312.zip/", True)
add("/numpy.whl", SITE, False)
