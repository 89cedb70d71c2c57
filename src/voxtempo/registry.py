"""A registry of named, documented things: one decorated class or function in one new file is all an extension needs.

Every room that can be extended (networks, preparation steps, augmentations, losses, metrics, simulations) holds
one ``Registry``. It finds its members by importing every module of its package the first time it is asked, so
adding a member never needs an edit elsewhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from voxtempo.errors import StudyError, did_you_mean

Entry = TypeVar("Entry")
Member = TypeVar("Member")


class Registry(Generic[Entry]):
    """Named entries found by importing the modules of one package.

    Parameters
    ----------
    noun : what one entry is, for messages ("network", "preparation step").
    package : dotted name of the package whose modules register themselves.
    """

    def __init__(self, noun: str, package: str) -> None:
        self.noun = noun
        self.package = package
        self._entries: dict[str, Entry] = {}
        self._loaded = False

    def add(self, name: str, entry: Entry) -> None:
        """Register ``entry`` under ``name``; the same name twice is a programming error."""
        if name in self._entries:
            raise ValueError(f"two {self.noun}s are called '{name}'")
        self._entries[name] = entry

    def register(self, name: str) -> Callable[[Member], Member]:
        """Return a decorator that registers a class or function as it is."""

        def decorate(member: Member) -> Member:
            self.add(name, member)  # type: ignore[arg-type]
            return member

        return decorate

    def named(self, name: str) -> Callable[[Member], Member]:
        """Return a decorator that registers a class and gives it the name as its attribute ``name``."""

        def decorate(member: Member) -> Member:
            member.name = name  # type: ignore[attr-defined]
            return self.register(name)(member)

        return decorate

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")

    def __getitem__(self, name: str) -> Entry:
        """Return the entry called ``name``; an unknown name is a ``StudyError`` that suggests the nearest one."""
        self._load()
        try:
            return self._entries[name]
        except KeyError:
            raise StudyError(f"There is no {self.noun} called '{name}'. {did_you_mean(name, self._entries)}") from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)
