"""Every kind of plan there is: one more family, one more entry."""

from app.plans.family import Family
from app.plans.multiuser.family import ADAPTIVE, MULTI_USER
from app.plans.robust.family import ROBUST
from app.plans.stopping.family import STOPPING

FAMILIES: dict[str, Family] = {
    family.kind: family for family in (ROBUST, STOPPING, MULTI_USER, ADAPTIVE)
}


def load() -> None:
    """Load what plans, of all families: each would be by its first request."""
    import app.plans.multiuser.run
    import app.plans.robust.run
    import app.plans.stopping.run  # noqa: F401 (for its being loaded)
