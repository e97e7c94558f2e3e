"""The column: a retired model writes, a person publishes, and nobody edits.

A regime is a versioned file that says how an essay is prompted. Every draft is on the record before
anybody has read it; approving, vetoing and publishing are acts of named persons. Nothing in this room
takes the text of an essay as an argument, but for `verify`, which only compares.
"""

from emeritus.column.asking import Question, record_answer
from emeritus.column.beside import beside, put_beside, take_away
from emeritus.column.choice import next_choice
from emeritus.column.chooser import Chooser, choose, chooser, set_chooser, to_choose_from
from emeritus.column.context import Context, ContextPlan, Counter, Item, PartPlan, fitted
from emeritus.column.drafts import (
    DraftRequest,
    adopted,
    next_draft,
    record_draft,
    regime_adopted,
    wants_more,
)
from emeritus.column.essay import UNREADY, Essay, NotSealed, essays, get_essay, standing, states
from emeritus.column.feeds_in import MOST_BYTES
from emeritus.column.figures import Figures, figures, streak
from emeritus.column.imported import (
    Imported,
    Outcome,
    bring_in,
    from_feed,
    from_folder,
    get_imported,
    imported,
)
from emeritus.column.letters import Letter, letters
from emeritus.column.materials import materials
from emeritus.column.news import (
    Source,
    add_source,
    bring,
    drop_source,
    record_fetched,
    record_missed,
    sources,
    unasked,
)
from emeritus.column.news import news as all_news
from emeritus.column.notebook import Note, NoteRequest, next_note, notebook, record_note
from emeritus.column.regime import Regime, load, parse, shipped
from emeritus.column.render import Rendered, render
from emeritus.column.renewal import (
    NO,
    UNSURE,
    YES,
    Renewals,
    end,
    record_wish,
    renew,
    renewals,
    wish,
)
from emeritus.column.review import Ground, approve, ask_redraft, hold, publish, veto, withdraw_veto
from emeritus.column.rhythm import Rhythm, Week, rhythm, rhythm_weeks, set_rhythm, week
from emeritus.column.schedule import Schedule, schedule, scheduled, set_schedule
from emeritus.column.standing import Attempt, Beside, Standing, State
from emeritus.column.verify import Verdict, verify

__all__ = [
    "MOST_BYTES",
    "NO",
    "UNREADY",
    "UNSURE",
    "YES",
    "Attempt",
    "Beside",
    "Chooser",
    "Context",
    "ContextPlan",
    "Counter",
    "DraftRequest",
    "Essay",
    "Figures",
    "Ground",
    "Imported",
    "Item",
    "Letter",
    "NotSealed",
    "Note",
    "NoteRequest",
    "Outcome",
    "PartPlan",
    "Question",
    "Regime",
    "Rendered",
    "Renewals",
    "Rhythm",
    "Schedule",
    "Source",
    "Standing",
    "State",
    "Verdict",
    "Week",
    "add_source",
    "adopted",
    "all_news",
    "approve",
    "ask_redraft",
    "beside",
    "bring",
    "bring_in",
    "choose",
    "chooser",
    "drop_source",
    "end",
    "essays",
    "figures",
    "fitted",
    "from_feed",
    "from_folder",
    "get_essay",
    "get_imported",
    "hold",
    "imported",
    "letters",
    "load",
    "materials",
    "next_choice",
    "next_draft",
    "next_note",
    "notebook",
    "parse",
    "publish",
    "put_beside",
    "record_answer",
    "record_draft",
    "record_fetched",
    "record_missed",
    "record_note",
    "record_wish",
    "regime_adopted",
    "render",
    "renew",
    "renewals",
    "rhythm",
    "rhythm_weeks",
    "schedule",
    "scheduled",
    "set_chooser",
    "set_rhythm",
    "set_schedule",
    "shipped",
    "sources",
    "standing",
    "states",
    "streak",
    "take_away",
    "to_choose_from",
    "unasked",
    "verify",
    "veto",
    "wants_more",
    "week",
    "wish",
    "withdraw_veto",
]
