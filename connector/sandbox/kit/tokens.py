"""The words of a query, taken one after another by a parser; letter case of words does not matter."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from connector.sandbox.kit.errors import Refusal


@dataclass(frozen=True, slots=True)
class Token:
    """A word, and the group of the pattern that it matched."""

    kind: str
    text: str


class Tokens:
    """The words of a text. Raises what `unexpected` makes of the word that does not fit (None: the end)."""

    def __init__(
        self,
        text: str,
        pattern: re.Pattern[str],
        stray: Callable[[int], Refusal],
        unexpected: Callable[[str | None], Refusal],
    ) -> None:
        """`stray` makes the refusal of a character that begins no word, by its place."""
        self.all: list[Token] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            match = pattern.match(text, place)
            if match is None or match.lastgroup is None:
                raise stray(place)
            self.all.append(Token(match.lastgroup, match[match.lastgroup]))
            place = match.end()
        self._at = 0
        self._unexpected = unexpected

    def peek(self, ahead: int = 0) -> str:
        """A word to come in lower case; empty at the end."""
        at = self._at + ahead
        return self.all[at].text.lower() if at < len(self.all) else ""

    def take(self, *kinds: str) -> Token:
        """The next word, which must be of one of these kinds, if any are given."""
        if self._at >= len(self.all) or (kinds and self.all[self._at].kind not in kinds):
            raise self.unexpected()
        self._at += 1
        return self.all[self._at - 1]

    def accept(self, word: str) -> bool:
        """Whether the next word is this one, which is then taken."""
        found = self.peek() == word
        self._at += found
        return found

    def expect(self, word: str) -> None:
        """Takes this word."""
        if not self.accept(word):
            raise self.unexpected()

    def finish(self) -> None:
        """Refuses whatever is left."""
        if self._at < len(self.all):
            raise self.unexpected()

    def unexpected(self) -> Refusal:
        """The refusal of the next word."""
        return self._unexpected(self.all[self._at].text if self._at < len(self.all) else None)
