"""Projects: what belongs to whom, and that a session of one reaches nothing of another."""

import base64

import pytest
from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from app import projects
from app.auth.callers import Caller, up_to
from app.db import Base, table_of
from app.plans import jobs
from app.plans.tables import PlanNameRow, PlanRow, PlanUsersRow
from app.profiles.tables import ProfileRow
from app.projects import everywhere, secret_of
from tests.support.operator import failed, splitplan
from tests.support.servers import Service

OF_NOBODY = {
    "worker": "serves all projects",
    "bare": "a table of a benchmark",
}


def test_every_table_says_whose_its_rows_are_or_hangs_on_one_that_does() -> None:
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    whose = {name for name, table in tables.items() if "project" in table.columns}
    assert whose == {
        "api_key",
        "experiment",
        "experiment_block",
        "name_event",
        "plan",
        "plan_name",
        "profile",
        "validation",
    }
    reached = set(whose)
    for table in Base.metadata.sorted_tables:
        if any(
            key.column.table.name in reached and not key.parent.nullable
            for key in table.foreign_keys
        ):
            reached.add(table.name)
    unknown = tables.keys() - reached - OF_NOBODY.keys()
    assert not unknown, "add `OfProject`, a foreign key to a table that has it, or a reason"
    assert {row.__tablename__ for row in projects.classes()} == whose - {"api_key"}  # type: ignore[attr-defined]


@pytest.fixture
def two(service: Service) -> Service:
    """A service with a name and a profile of each of two projects, and a shared profile."""
    for project in ("one", "other"):
        with service.everything.of(project).writing() as session:
            session.add(PlanNameRow(name="hall"))
            session.add(ProfileRow(kind="server", name="edge", latest=1))
    with service.everything.of(projects.SHARED).writing() as session:
        session.add(ProfileRow(kind="server", name="edge", latest=1))
        session.add(ProfileRow(kind="server", name="cloud", latest=1))
    return service


def seen(session: Session) -> list[tuple[str, str]]:
    rows = select(ProfileRow.project, ProfileRow.name).order_by(ProfileRow.name)
    return [(project, name) for project, name in session.execute(rows)]


def test_a_late_session_keeps_to_its_project_and_is_taken_back_as_a_whole(two: Service) -> None:
    """With its connection alone, and once it is made whole."""
    database = two.everything.of("one")

    def write(name: str, *, refuse: bool) -> None:
        with two.everything.writing() as own:
            late = projects.LateSession("one", own.connection())

            def act(session: Session) -> None:
                new = insert(table_of(PlanNameRow))
                assert projects.project_of(session) == "one"
                session.connection().execute(new, {"project": "one", "name": name, "event": 0})
                assert "identity_map" not in vars(session)
                session.add(PlanNameRow(name=f"{name}-too"))
                assert "identity_map" in vars(session)
                assert set(session.scalars(select(PlanNameRow.project))) == {"one"}
                if refuse:
                    raise ZeroDivisionError

            late.carry_out(act)

    write("kept", refuse=False)
    with pytest.raises(ZeroDivisionError):
        write("refused", refuse=True)
    with database.reading() as session:
        names = session.scalars(select(PlanNameRow.name).order_by(PlanNameRow.name)).all()
    assert names == ["hall", "kept", "kept-too"]


def test_a_session_sees_its_own_and_what_is_shared(two: Service) -> None:
    with two.everything.of("one").reading() as session:
        assert seen(session) == [("shared", "cloud"), ("one", "edge")]
        names = select(PlanNameRow.project)
        assert session.scalars(names).all() == ["one"]
        assert session.get(PlanNameRow, ("other", "hall")) is None
        twin = aliased(PlanNameRow)
        both = select(twin.project, PlanNameRow.project).where(twin.name == PlanNameRow.name)
        assert session.execute(both).all() == [("one", "one")]
        assert session.scalar(select(func.count()).select_from(PlanNameRow)) == 1
        others = exists().where(twin.project != PlanNameRow.project)
        assert session.scalars(select(PlanNameRow.name).where(others)).all() == []
        within = select(PlanNameRow.name).where(
            PlanNameRow.project.in_(select(PlanNameRow.project))
        )
        assert session.scalars(within).all() == ["hall"]
        assert session.scalar(everywhere(select(func.count()).select_from(PlanNameRow))) == 2
    with two.everything.of("new").reading() as session:
        assert seen(session) == [("shared", "cloud"), ("shared", "edge")]
    with two.everything.reading() as session:
        assert len(seen(session)) == 4


def test_a_session_changes_its_own_alone(two: Service) -> None:
    with two.everything.of("one").writing() as session:
        session.execute(update(ProfileRow).values(latest=7))
        session.execute(update(PlanNameRow).where(PlanNameRow.name == "hall").values(event=9))
    with two.everything.reading() as session:
        changed = session.scalars(select(ProfileRow.project).where(ProfileRow.latest == 7))
        assert changed.all() == ["one"]
    with two.everything.of("one").writing() as session:
        session.execute(delete(PlanNameRow))
        session.execute(delete(ProfileRow))
    with two.everything.reading() as session:
        left = session.execute(select(PlanNameRow.project, PlanNameRow.event)).all()
        assert left == [("other", 0)]
        assert len(seen(session)) == 3


def test_what_goes_around_the_session_is_refused(two: Service) -> None:
    plans, profiles = table_of(PlanRow), table_of(ProfileRow)
    around = [
        select(plans.c.id),
        select(plans.alias("p").c.id),
        select(plans.c.kind).where(plans.c.id == "whose-ever"),
        select(table_of(PlanUsersRow).c.block).join_from(table_of(PlanUsersRow), plans),
        select(func.count()).select_from(profiles),
        update(profiles).values(latest=3),
        delete(plans),
        insert(table_of(PlanNameRow)).values(name="x"),
    ]
    for statement in around:
        with (
            two.everything.of("one").writing() as session,
            pytest.raises(RuntimeError, match="project"),
        ):
            session.connection().execute(statement)
    with two.everything.of("one").reading() as session:
        mine = select(plans.c.id).where(plans.c.project == "one")
        assert session.connection().execute(mine).all() == []


def test_a_row_of_another_project_is_stored_as_ones_own(service: Service) -> None:
    with service.everything.of("one").writing() as session:
        session.add(PlanNameRow(project="other", name="hall"))
    with service.everything.reading() as session:
        assert session.scalars(select(PlanNameRow.project)).all() == ["one"]


def test_nobody_is_of_what_all_projects_see() -> None:
    for project in (projects.SHARED, "", "A", "a" * 64):
        with pytest.raises(ValueError, match=r"must match|all projects see"):
            Caller("k", project, up_to("read"))


def test_names_are_forgotten_whose_project_has_no_plans_any_more(two: Service) -> None:
    assert jobs.forget_old(two.everything, 1.0) == 0
    with two.everything.reading() as session:
        assert session.scalars(select(PlanNameRow.name)).all() == []


def test_each_project_has_a_secret_for_its_webhooks() -> None:
    master = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
    assert secret_of(master, "default") == master
    others = {secret_of(master, project) for project in ("hall", "yard")}
    assert len(others | {master}) == 3
    told = splitplan("webhook-secret", "hall", SPLITPLAN_WEBHOOK_SECRET=master)
    assert told.stdout.strip() == secret_of(master, "hall")
    assert "is not set" in failed(splitplan("webhook-secret", "hall"))
    assert "all projects see" in splitplan("webhook-secret", projects.SHARED).stderr
