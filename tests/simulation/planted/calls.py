"""Bugs of calls: their keys, their answers, their attempts and polls."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

CALLS, TAKING, HTTP = "runtime/calls.py", "language/taking.py", "language/verbs/http.py"
WORK = "engine/work.py"
KEY = '    return f"{uid}/r0/{path}"\n'

MUTANTS = (
    Mutant(
        name="key-without-uid",
        section="Calls",
        rule="the idempotency key names the instance by its uid",
        changes=(Change(WORK, KEY, '    return f"r0/{path}"\n'),),
    ),
    Mutant(
        name="key-without-round",
        section="Calls",
        rule="the idempotency key names the round of the instance",
        changes=(Change(WORK, KEY, '    return f"{uid}/{path}"\n'),),
    ),
    Mutant(
        name="key-without-path",
        section="Calls",
        rule="every effect of an instance has a key of its own",
        changes=(Change(WORK, KEY, '    return f"{uid}/r0/{path[:1]}"\n'),),
    ),
    Mutant(
        name="key-with-attempt",
        section="Calls",
        rule="the idempotency key is the same for every attempt of a step",
        changes=(
            Change(
                "executors/calls.py",
                '    key = f"{work.key}/start" if call.poll is not None else work.key\n',
                '    key = f"{work.key}/start" if call.poll is not None else work.key\n'
                '    key = key if work.attempt == 1 else f"{key}/{work.attempt}"\n',
            ),
        ),
    ),
    Mutant(
        name="polled-start-under-the-plain-key",
        section="Calls",
        rule="the start of a polled call has a key of its own, which ends in /start",
        changes=(
            Change(
                "executors/calls.py",
                '    key = f"{work.key}/start" if call.poll is not None else work.key\n',
                "    key = work.key\n",
            ),
        ),
    ),
    Mutant(
        name="polled-before-the-acceptance",
        section="Calls",
        rule="the answer of a start is committed before the first poll",
        changes=(
            Change(
                "executors/http.py",
                "        return replace(answer, accepted=True)\n",
                "        work = replace(work, answer=answer.result)\n"
                "        return await self._poll_until_over(work, call, call.poll)\n",
            ),
        ),
    ),
    Mutant(
        name="failed-expression-tried-again",
        section="Calls",
        rule="an expression that failed is never repeated: the call has happened",
        changes=(
            Change(
                "language/retrying.py",
                '    if failure.final or failure.type == "ExpressionError":\n',
                '    if failure.final and failure.type != "ExpressionError":\n',
            ),
        ),
    ),
    Mutant(
        name="closed-call-goes-on",
        section="The turn",
        rule="what is in flight for an instance that ends is aborted",
        changes=(
            Change(
                CALLS,
                "            task = flight.tasks.get(scheduled_id)\n"
                "            if task is not None:\n"
                "                task.cancel()\n",
                "",
            ),
            Change(
                CALLS,
                "        tasks = list(flight.tasks.values())\n"
                "        for task in tasks:\n"
                "            task.cancel()\n"
                "        await asyncio.gather(*tasks, return_exceptions=True)\n",
                "",
            ),
        ),
    ),
    Mutant(
        name="accepted-call-started-again",
        section="Calls",
        rule="once the answer of a start is committed the call is only polled",
        changes=(
            Change(
                "executors/http.py",
                "            if not work.is_accepted:\n",
                "            if not work.is_accepted or call.poll is not None:\n",
            ),
        ),
    ),
    Mutant(
        name="answer-dropped-after-a-conflict",
        section="Calls",
        rule="an answer is kept until a commit has closed its attempt",
        changes=(
            Change(
                CALLS,
                "        return () if flight is None else tuple(flight.answers.values())\n",
                "        if flight is None:\n"
                "            return ()\n"
                "        answers = tuple(flight.answers.values())\n"
                "        flight.answers.clear()\n"
                "        return answers\n",
            ),
        ),
    ),
    Mutant(
        name="answer-wakes-nobody",
        section="Calls",
        rule="an answer gives its instance a turn",
        changes=(Change(CALLS, "        self._answered(key)\n", "        pass\n"),),
    ),
    Mutant(
        name="answers-ignored-while-suspended",
        section="The turn",
        rule="what was sent before a suspension is committed when it is answered",
        changes=(
            Change(
                CALLS,
                "        if flight is not None and flight.sent.get",
                "        if flight is not None and key.uid not in self._held and flight.sent.get",
            ),
            Change(
                CALLS,
                "        self._is_stopping = False\n\n    def answers",
                "        self._is_stopping = False\n"
                "        self._held: set[str] = set()\n\n    def answers",
            ),
            Change(
                CALLS,
                "        wanted = {work.scheduled_id: work for work in open_work(state)}\n",
                "        (self._held.add if state.is_suspended else self._held.discard)(key.uid)\n"
                "        wanted = {work.scheduled_id: work for work in open_work(state)}\n",
            ),
        ),
    ),
    Mutant(
        name="late-answer-counts",
        section="The turn",
        rule="an answer of an attempt that is not open any more changes nothing",
        changes=(
            Change(
                CALLS,
                "            del flight.sent[scheduled_id]\n"
                "            flight.answers.pop(scheduled_id, None)\n"
                "            task = flight.tasks.get(scheduled_id)\n"
                "            if task is not None:\n"
                "                task.cancel()\n",
                "            if scheduled_id not in flight.tasks:\n"
                "                del flight.sent[scheduled_id]\n"
                "                flight.answers.pop(scheduled_id, None)\n",
            ),
            Change(
                TAKING,
                "    activity = run.state.activities.get(answer.scheduled_id)\n"
                "    if activity is None:\n"
                "        return\n",
                "    activity = run.state.activities.get(answer.scheduled_id)\n"
                "    if activity is None:\n"
                '        late = Failure(type="NoAnswer", message="late")\n'
                "        run.add(ActivityFailed(scheduled_id=answer.scheduled_id, failure=late))\n"
                "        return\n",
            ),
        ),
    ),
    Mutant(
        name="answer-counts-twice",
        section="What is promised after a crash",
        rule="the result of a step counts once",
        changes=(
            Change(
                CALLS,
                "            flight.answers.pop(scheduled_id, None)\n            task =",
                "            task =",
            ),
            Change(
                TAKING,
                "    activity = run.state.activities.get(answer.scheduled_id)\n"
                "    if activity is None:\n"
                "        return\n",
                "    activity = run.state.activities.get(answer.scheduled_id)\n"
                "    if activity is None:\n"
                '        again = Failure(type="NoAnswer", message="again")\n'
                "        run.add(ActivityFailed(scheduled_id=answer.scheduled_id, failure=again))\n"
                "        return\n",
            ),
        ),
    ),
    Mutant(
        name="result-is-not-the-answer",
        section="What is promised after a crash",
        rule="the result of a step is what the service answered",
        changes=(
            Change(
                HTTP,
                "            output = run.shaped(place, answer.result, body)\n",
                "            output = run.shaped(place, answer.result, answer.result)\n",
            ),
        ),
    ),
    Mutant(
        name="retry-without-back-off",
        section="Calls",
        rule="an attempt after the first begins when its back-off is over",
        changes=(
            Change(
                "language/failing.py",
                "purpose=Purpose.RETRY, fire_at=run.now + delay))\n",
                "purpose=Purpose.RETRY, fire_at=run.now))\n",
            ),
        ),
    ),
    Mutant(
        name="one-attempt-too-many",
        section="Calls",
        rule="a step is tried as often as its retry policy says, no more",
        changes=(
            Change(
                "language/retrying.py",
                "    return retry.attempts == -1 or attempt < retry.attempts\n",
                "    return retry.attempts == -1 or attempt <= retry.attempts\n",
            ),
        ),
    ),
    Mutant(
        name="attempt-numbers-restart",
        section="Calls",
        rule="attempts of a step are numbered 1, 2, 3 …",
        changes=(Change(HTTP, "    attempt = run.attempt_of(place)\n", "    attempt = 1\n"),),
    ),
    Mutant(
        name="request-made-anew",
        section="Calls",
        rule="an attempt after the first makes the request of the first",
        changes=(
            Change(
                HTTP,
                "    if unit is not None and unit.request_id is not None:\n",
                "    if unit is None and place.step is None:\n",
            ),
        ),
    ),
    Mutant(
        name="end-leaves-calls-behind",
        section="The turn",
        rule="an end with calls in flight takes two commits: they are aborted in between",
        changes=(
            Change(
                "language/ending.py",
                "    if run.state.activities:\n",
                "    if len(run.state.activities) > 99:\n",
            ),
        ),
    ),
    Mutant(
        name="terminate-waits-for-calls",
        section="The turn",
        rule="terminate counts before everything else, also while calls are in flight",
        changes=(
            Change(
                "language/flow.py",
                "    if run.facts.terminate is not None and run.state.ended is None:\n",
                "    if run.facts.terminate is not None and not run.state.activities:\n",
            ),
        ),
    ),
    Mutant(
        name="suspended-call-polled",
        section="The turn",
        rule="while an instance is suspended nothing is polled",
        changes=(
            Change(
                WORK,
                " for a in wanted if not (state.is_suspended and a.is_accepted))\n",
                " for a in wanted)\n",
            ),
        ),
    ),
)
