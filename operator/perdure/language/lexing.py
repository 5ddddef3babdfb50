"""CEL's tokens: where they begin and end, and what they are; and where a `${…}` ends.

The library finds the faults of an expression; this says which word is meant by a position, and
where an expression inside a text ends. Source: the lexis of the CEL language definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    TEXT = auto()
    NUMBER = auto()
    SIGN = auto()
    COMMENT = auto()
    OPEN = auto()  # A text without its closing quotes; reaches to the end of the line or source.
    STRANGE = auto()  # A character that begins no token.


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the offset of its first character, from 0."""

    kind: Kind
    text: str
    at: int

    @property
    def end(self) -> int:
        """The offset behind the last character."""
        return self.at + len(self.text)


class UnendedError(ValueError):
    """A `${` has no `}`. `at` is the offset of what is to blame, from 0."""

    def __init__(self, message: str, at: int, hint: str) -> None:
        super().__init__(message)
        self.message, self.at, self.hint = message, at, hint


_TOKEN = re.compile(
    r"""
      (?P<blank>   \s+ )
    | (?P<comment> //[^\n]*\n? )
    | (?P<text>    [bB]?[rR]
                   (?: \"{3} (?s:.*?) \"{3} | '{3} (?s:.*?) '{3}
                     | (?!\"{3}) "[^"\r\n]*" | (?!'{3}) '[^'\r\n]*' )
                 | [bB]?
                   (?: \"{3} (?s: \\. | [^\\] )*? \"{3} | '{3} (?s: \\. | [^\\] )*? '{3}
                     | (?!\"{3}) "(?: \\. | [^\\"\r\n] )*"
                     | (?!'{3}) '(?: \\. | [^\\'\r\n] )*' ) )
    | (?P<open>    [bB]?[rR]? (?: \"{3} (?s:.*) | '{3} (?s:.*) | "[^\r\n]* | '[^\r\n]* ) )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]* | `[A-Za-z0-9_./\- ]+` )
    | (?P<number>  0[xX][0-9a-fA-F]+[uU]? | (?: [0-9]+ \.[0-9]+ | \.[0-9]+ | [0-9]+ )
                   (?: [eE][+-]?[0-9]+ )? [uU]? )
    | (?P<sign>    && | \|\| | == | != | <= | >= | \[\? | \.\? | [-+*/%!<>()\[\]{}.,?:] )
    | (?P<strange> . )
    """,
    re.VERBOSE,
)
_KINDS = {
    "comment": Kind.COMMENT,
    "text": Kind.TEXT,
    "open": Kind.OPEN,
    "name": Kind.NAME,
    "number": Kind.NUMBER,
    "sign": Kind.SIGN,
    "strange": Kind.STRANGE,
}


def tokens_of(source: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens from offset `start` on, blanks left out. Never fails."""
    at = start
    while match := _TOKEN.match(source, at):
        at = match.end()
        if match.lastgroup != "blank" and match.lastgroup is not None:
            yield Token(_KINDS[match.lastgroup], match.group(), match.start())


def end_of_expression(source: str, start: int) -> int:
    """Return the offset of the `}` that ends the expression beginning at `start`.

    Braces in texts and comments do not count. Raises UnendedError.
    """
    depth = 0
    for token in tokens_of(source, start):
        if token.kind is Kind.OPEN:
            raise UnendedError("this text has no closing quote", token.at, "")
        if token.kind is Kind.COMMENT and not token.text.endswith("\n"):
            raise UnendedError(
                "a // comment without a line end behind it hides the end of the expression",
                token.at,
                "end the line behind the comment, or leave the comment out",
            )
        if token.kind is not Kind.SIGN:
            continue
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            if depth == 0:
                return token.at
            depth -= 1
    raise UnendedError("this ${ has no closing }", max(start - 2, 0), "")
