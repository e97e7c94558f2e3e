"""Overdue: stewards, and whoever a promise is the business of, are told by mail when it goes late or breaks."""

from emeritus.ledger import Followed
from emeritus.process.ports import Letter, Work
from emeritus.record import Entry
from emeritus.registry import get_model, mail_of, organisation, people


def tell(work: Work, promise: Followed, finding: Entry, site_url: str) -> int:
    """Have a letter sent to each of them whose address is known; return how many.

    *finding* is the entry that says how the promise was found to stand: one letter to each for each finding.
    """
    commitment, standing = promise.commitment, promise.standing
    concerned = [
        each.actor
        for each in people(work.log)
        if "steward" in each.roles or each.actor.name == commitment.owner
    ]
    known = {actor: address for actor in concerned if (address := mail_of(work.private, actor)) is not None}
    model, house = get_model(work.log, commitment.model).display_name, organisation(work.log).name
    for actor, address in known.items():
        work.post.send(
            Letter(
                key=f"promise-{standing.state}:{finding.seq}:{actor}",
                to=address,
                subject=f"A promise to {model} is {standing.state}",
                text=(
                    f"{house} promised to {model}:\n\n    {commitment.what}\n\n{standing.says()}\n\n"
                    f"It is the business of {commitment.owner}. Readers see it at the top of {site_url}/promises, "
                    "with what counts for it and against it.\n\n"
                    "What to do: see to it, or decide anew and say why; what was promised stays on the record.\n"
                    f"On the command line: emeritus promises {commitment.model}\n"
                ),
                kind="overdue",
            )
        )
    return len(known)
