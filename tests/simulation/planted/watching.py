"""Bugs of watching: what is told, and what is made up for after a gap."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

FEED, KNOWN = "kubernetes/feed.py", "kubernetes/known.py"

MUTANTS = (
    Mutant(
        name="changes-after-a-gap-not-told",
        section="The turn",
        rule="after a gap a list tells what has changed meanwhile",
        changes=(
            Change(
                FEED,
                "            news.append(item)\n",
                "            self._known.put(item)\n",
            ),
        ),
    ),
    Mutant(
        name="deletions-in-a-gap-forgotten",
        section="The turn",
        rule="deletions that were missed are concluded from the next list",
        changes=(
            Change(
                KNOWN,
                "        for uid in [uid for uid in self._entries if uid not in seen]:\n",
                "        for uid in [uid for uid in self._entries if uid in ()]:\n",
            ),
        ),
    ),
    Mutant(
        name="expired-watch-goes-on",
        section="The turn",
        rule="a watch that has expired (410) is followed by a list",
        changes=(
            Change(
                FEED,
                '    if status.get("code") == GONE:\n        return ExpiredError()\n',
                "",
            ),
            Change(
                FEED,
                "                if failures == WATCH_FAILURES:\n                    return\n",
                "",
            ),
            Change(
                FEED,
                "            raise (ExpiredError() if error.status == GONE else error) from error\n"
                "        if is_quiet",
                "            raise error from error\n        if is_quiet",
            ),
        ),
    ),
    Mutant(
        name="watch-begins-with-now",
        section="The turn",
        rule="a watch goes on from the version up to which everything is known",
        changes=(
            Change(
                FEED,
                '            "resourceVersion": str(self._version),\n',
                '            "resourceVersion": str(self._version + 1),\n',
            ),
        ),
    ),
    Mutant(
        name="later-list-told-page-by-page",
        section="The turn",
        rule="the news of a list that closes a gap are told in the order of their versions",
        changes=(
            Change(
                FEED,
                "        if is_news and self.is_synced:\n",
                "        if is_news and self._version < 0:\n",
            ),
        ),
    ),
    Mutant(
        name="turns-before-the-lists",
        section="The turn",
        rule="no turn runs before the first lists of all watched kinds are complete",
        changes=(
            Change(
                "assembly.py",
                "        if self.is_begun or not all(informer.is_synced for informer in "
                "self.informers):\n",
                "        if self.is_begun:\n",
            ),
        ),
    ),
)
