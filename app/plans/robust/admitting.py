"""The cells of a request without those users for whom there is no room."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.arrow import pa
from app.plans.admission import CellAdmission, told
from app.plans.robust.assemble import Assembled
from app.plans.robust.bulk import Ids
from solvers.arrays import Integers
from solvers.progress import Progress
from solvers.registry import admitted
from solvers.robust.solve.admission import admit


def most_valuable(
    assembled: Assembled, progress: Progress
) -> tuple[Assembled, dict[str, Any] | None]:
    """The request of the most valuable users who fit, and what is told of that; as it is, with
    nothing to tell, where nobody does. Raises RefutedAnswer.
    """
    found = [
        CellAdmission(
            cell.id,
            cell.users,
            assembled.value[cell.users],
            admitted(cell.problem, assembled.value[cell.users], admit, progress),
        )
        for cell in assembled.cells
    ]
    kept = np.sort(np.concatenate([one.users[one.found.users] for one in found]))
    if len(kept) == 0:
        return assembled, None
    cells = [
        replace(
            cell,
            users=np.searchsorted(kept, one.users[one.found.users]),
            problem=cell.problem.only(one.found.users),
        )
        for cell, one in zip(assembled.cells, found, strict=True)
        if len(one.found.users)
    ]
    of_kept = replace(
        assembled, ids=_ids(assembled.ids, kept), cells=cells, value=assembled.value[kept]
    )
    return of_kept, told(assembled.ids, found)


def _ids(ids: Sequence[str], kept: Integers) -> Sequence[str]:
    if isinstance(ids, Ids):
        return Ids(ids.array.take(pa.array(kept)))
    return [ids[n] for n in kept.tolist()]
